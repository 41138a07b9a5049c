"""Formatting for prompts: contexts, memory, output, tools, strings. `Format` has it all under short names."""

# ruff: noqa: F403, F405 - the lists of names are those of the modules.

from __future__ import annotations

from l0_text import context, memory, output, strings, tools
from l0_text.context import *
from l0_text.memory import *
from l0_text.output import *
from l0_text.strings import *
from l0_text.tools import *

__all__ = [
    "Format",
    *context.__all__,
    *memory.__all__,
    *output.__all__,
    *strings.__all__,
    *tools.__all__,
]


class Format:
    """Everything that formats, under short names."""

    context = staticmethod(format_context)
    contexts = staticmethod(format_multiple_contexts)
    document = staticmethod(format_document)
    instructions = staticmethod(format_instructions)
    escape_delimiters = staticmethod(escape_delimiters)
    unescape_delimiters = staticmethod(unescape_delimiters)

    memory = staticmethod(format_memory)
    memory_entry = staticmethod(create_memory_entry)
    merge_memory = staticmethod(merge_memory)
    filter_memory = staticmethod(filter_memory_by_role)
    last_n_entries = staticmethod(get_last_n_entries)
    memory_size = staticmethod(calculate_memory_size)
    truncate_memory = staticmethod(truncate_memory)

    json_output = staticmethod(format_json_output)
    structured_output = staticmethod(format_structured_output)
    output_constraints = staticmethod(format_output_constraints)
    output_section = staticmethod(create_output_format_section)
    wrap_output = staticmethod(wrap_output_instruction)
    clean_output = staticmethod(clean_output)
    extract_json = staticmethod(extract_json_from_output)
    validate_json = staticmethod(validate_json_output)

    tool = staticmethod(format_tool)
    tools = staticmethod(format_tools)
    create_tool = staticmethod(create_tool)
    parameter = staticmethod(create_parameter)
    validate_tool = staticmethod(validate_tool)
    parse_function_call = staticmethod(parse_function_call)
    function_arguments = staticmethod(format_function_arguments)

    trim = staticmethod(trim)
    truncate = staticmethod(truncate)
    truncate_words = staticmethod(truncate_words)
    wrap = staticmethod(wrap)
    pad = staticmethod(pad)
    escape = staticmethod(escape)
    unescape = staticmethod(unescape)
    escape_html = staticmethod(escape_html)
    unescape_html = staticmethod(unescape_html)
    escape_regex = staticmethod(escape_regex)
    sanitize = staticmethod(sanitize)
    remove_ansi = staticmethod(remove_ansi)
