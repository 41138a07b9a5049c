"""Pipelines: steps whose streams are dependable, each of them given the output of the one before."""

from __future__ import annotations

from l0_pipeline.chains import chain_pipelines
from l0_pipeline.display import progress
from l0_pipeline.making import create_branch_step, create_step
from l0_pipeline.options import (
    FAST_PIPELINE,
    PRODUCTION_PIPELINE,
    RELIABLE_PIPELINE,
    PipelineOptions,
    PipelineResult,
)
from l0_pipeline.pipeline import Pipeline, create_pipeline, parallel_pipelines, pipe
from l0_pipeline.steps import PipelineStep, StepContext, StepResult, StreamSummary

__all__ = [
    "FAST_PIPELINE",
    "PRODUCTION_PIPELINE",
    "RELIABLE_PIPELINE",
    "Pipeline",
    "PipelineOptions",
    "PipelineResult",
    "PipelineStep",
    "StepContext",
    "StepResult",
    "StreamSummary",
    "chain_pipelines",
    "create_branch_step",
    "create_pipeline",
    "create_step",
    "parallel_pipelines",
    "pipe",
    "progress",
]
