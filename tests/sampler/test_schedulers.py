"""Schedulers by name."""

from __future__ import annotations

from typing import get_args

import diffusers
import pytest
import torch
from diffusers.utils import logging

from onepic import miniature
from onepic.backbones.sampling import FLOW, SCHEDULE
from onepic.common.errors import TaskError
from onepic.sampler.request import SchedulerName
from onepic.sampler.schedulers import make_scheduler

NAMES = get_args(SchedulerName)


@pytest.fixture
def own():
    """The model's own scheduler."""
    return diffusers.EulerDiscreteScheduler.from_pretrained(miniature.path() / "scheduler")


def noise_schedule(config) -> dict:
    names = ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps", "prediction_type")
    return {name: config[name] for name in (*names, "timestep_spacing", "steps_offset")}


@pytest.mark.parametrize("name", NAMES)
def test_every_name_makes_a_scheduler_of_the_model_s_noise(own, name):
    made = make_scheduler(name, own.config, SCHEDULE)
    if "steps_offset" in made.config:
        assert noise_schedule(made.config) == noise_schedule(own.config)
    assert torch.equal(made.betas, own.betas)


@pytest.mark.parametrize("name", NAMES)
def test_settings_of_the_noise_come_through(own, name):
    changed = diffusers.EulerDiscreteScheduler.from_config(
        own.config, prediction_type="v_prediction", timestep_spacing="trailing", beta_end=0.02
    )
    made = make_scheduler(name, changed.config, SCHEDULE)
    assert made.config.prediction_type == "v_prediction"
    assert made.config.timestep_spacing == "trailing"
    assert made.config.beta_end == 0.02


@pytest.mark.parametrize("name", NAMES)
def test_making_it_again_from_its_own_config_changes_nothing(own, name):
    once = make_scheduler(name, own.config, SCHEDULE)
    twice = make_scheduler(name, once.config, SCHEDULE)
    assert {key: once.config[key] for key in once.config if key[0] != "_"} == {
        key: twice.config[key] for key in twice.config if key[0] != "_"
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [1, 2, 7, 50])
def test_every_scheduler_makes_any_number_of_steps(own, name, steps):
    scheduler = make_scheduler(name, own.config, SCHEDULE)
    scheduler.set_timesteps(steps)
    state = torch.ones(1, 4, 2, 2) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        seen = scheduler.scale_model_input(state, t)
        state = scheduler.step(seen, t, state, return_dict=False)[0]
    assert torch.isfinite(state).all()


def test_only_karras_has_the_sigmas_of_karras(own):
    assert make_scheduler("dpmpp_2m_karras", own.config, SCHEDULE).config.use_karras_sigmas
    assert not make_scheduler("dpmpp_2m", own.config, SCHEDULE).config.use_karras_sigmas


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_said_about_settings_of_the_other_scheduler(own, name, capfd):
    logging.set_verbosity_warning()
    make_scheduler(name, own.config, SCHEDULE)
    assert capfd.readouterr().err == ""


def test_every_name_is_a_scheduler_for_models_with_a_schedule():
    assert set(NAMES) == set(SCHEDULE.schedulers)


def test_a_scheduler_that_a_model_cannot_use_is_refused_with_those_that_it_can(own):
    with pytest.raises(TaskError, match=r"--scheduler ddim: .*euler"):
        make_scheduler("ddim", own.config, FLOW)
