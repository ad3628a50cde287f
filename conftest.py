"""Marks of single tests by their names: what `make quick` leaves out of files that it runs otherwise.

A file whose tests all wait on real time, or all compute for long, carries the mark itself (`pytestmark`).
"""

from __future__ import annotations

import pytest

# They run a session or a command in real time.
REAL_TIME = {
    "01_live_demo.ipynb",
    "03_benchmarks.ipynb",
    "test_ctrl_c_leaves_everything_written",
    "test_disk_that_fills_up_at_the_end_is_one_line_too",
    "test_full_disk_ends_the_run_with_one_line",
    "test_kill_9_leaves_every_finished_cycle_and_export_finishes_the_run",
    "test_run_leaves_everything_the_readme_names",
    "test_second_ctrl_c_skips_the_video",
}
# Each computes for more than two seconds or so.
SLOW = {
    "02_tuning_sweep.ipynb",
    "test_a_session_goes_on_after_a_cycle_without_memory",
    "test_a_session_lets_it_meet_the_size_of_the_frames_before_the_first_comment",
    "test_awq_is_found_out_and_takes_its_voice_from_the_checkpoint_beside_it",
    "test_bad_input_on_the_command_line_is_one_line_and_exit_code_2",
    "test_closing_frees_the_model_and_warming_up_loads_it_again",
    "test_every_frame_of_a_match_can_be_drawn",
    "test_eye_prints_what_it_says_and_what_it_costs",
    "test_half_precision_is_mended_where_the_recording_meets_halved_layers",
    "test_help_says_why_and_a_folder_that_is_none_is_one_line",
    "test_memory_that_suffices_for_no_comment_at_all_is_told_at_the_start",
    "test_no_temporary_file_is_left_behind",
    "test_pacing_holds_its_promises",
    "test_programme_is_the_same_twice",
    "test_random_weights_without_a_gpu_the_models_code_or_an_empty_folder_are_one_line",
    "test_rates_of_events_in_two_minutes",
    "test_same_seed_and_frames_same_words_and_another_seed_others",
    "test_text_comes_with_its_sound_token_by_token",
    "test_the_benchmark_measures_a_start_from_the_disk_and_a_live_run_of_a_clip",
    "test_the_benchmark_runs_on_a_tiny_checkpoint",
    "test_the_benchmark_without_the_models_code_or_a_gpu_is_one_line",
    "test_the_clip_is_what_the_script_says",
    "test_the_command_line_says_it_in_one_line_and_ends_with_2",
    "test_the_flow_model_says_the_same_over_fixed_places_and_whatever_the_length_of_a_chunk",
    "test_the_picture_changes_hard_at_cuts_and_not_elsewhere",
    "test_the_same_seed_draws_the_same_comments",
    "test_the_same_seed_draws_the_same_words_and_sounds",
    "test_the_whole_text_is_the_same_spoken_and_written",
    "test_this_machine_runs_the_baseline",
    "test_too_little_memory_for_a_first_word_is_one_line_and_leaves_nothing_behind",
    "test_two_renders_are_the_same_file",
    "test_without_its_voice_the_embedded_one_speaks",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        name = item.path.name if item.path.suffix == ".ipynb" else item.name.partition("[")[0]
        if name in REAL_TIME:
            item.add_marker(pytest.mark.realtime)
        if name in SLOW:
            item.add_marker(pytest.mark.slow)
