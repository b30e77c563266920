//! What a user's program does with a cluster, one call of the library after the other, and what must come of it.
//!
//! Every scenario takes a client whose cluster has the engines 0 to 3 and panics when something is not as it must be. The tests
//! run each of them on threads of their own process (`Client::in_process`), and in a program of its own (`bin/scenarios.rs`)
//! on worker processes (`Client::local`).

#![allow(clippy::unwrap_used, reason = "a scenario is a test: it panics when something is not as it must be")]

pub mod arrays;
pub mod calls;
pub mod failures;
pub mod jobs;
pub mod large;
mod latch;
pub mod notebook;
pub mod results;
pub mod timing;

pub use latch::{Latch, pass};

use phalanx::Client;

/// How many engines a scenario's cluster has.
pub const ENGINES: usize = 4;

/// One scenario.
pub type Scenario = fn(&Client);

/// Hands the list of all scenarios, as `module::function`, to a macro.
#[macro_export]
macro_rules! each_scenario {
    ($then:ident) => {
        $then! {
            notebook::products,
            notebook::names_on_the_engines,
            notebook::scenarios_by_both_views,
            notebook::an_error_shows_while_the_job_runs,
            notebook::other_work_goes_on_meanwhile,
            calls::one_engine_gives_a_value_and_several_a_list,
            calls::engines_are_named_in_every_way,
            calls::functions_take_up_to_many_arguments,
            calls::a_value_goes_along,
            calls::namespaces_are_kept_apart,
            calls::namespaces_change_in_place,
            calls::rows_of_every_layout,
            calls::structs_and_enums_travel,
            calls::nothing_to_do_is_done_at_once,
            arrays::one_two_and_three_dimensions,
            arrays::arrays_that_are_not_contiguous,
            arrays::lists_of_structs,
            arrays::fewer_items_than_engines,
            arrays::parts_are_split_by_block,
            arrays::parts_that_do_not_fit,
            arrays::a_late_engine_keeps_its_place,
            large::scatter_and_gather,
            large::an_element_over_every_frame,
            large::a_million_chunks,
            large::elements_of_many_lengths,
            large::a_chunk_whose_lengths_are_more_than_a_message,
            large::a_context_over_every_frame,
            failures::a_panic_fails_its_element_alone,
            failures::errors_of_every_element,
            failures::more_of_one_chunk_than_a_report_tells,
            failures::an_error_of_a_fallible_function,
            failures::retries_until_it_works,
            failures::retries_run_out,
            failures::missing_names_and_wrong_types,
            failures::bad_chunk_sizes,
            failures::unknown_engines,
            results::in_order_and_as_completed_while_it_runs,
            results::a_late_engine_does_not_hold_up_the_others,
            results::a_short_queue_behind_a_long_element_moves_on,
            results::a_timeout_leaves_the_work_alone,
            results::awaited_under_tokio,
            results::awaited_without_a_runtime,
            results::progress_is_counted,
            timing::chunks_are_described,
            timing::chunks_of_automatic_size_cover_all,
            timing::wall_and_serial_time,
            jobs::abort_keeps_what_is_done,
            jobs::an_aborted_job_frees_its_engines,
            jobs::many_tiny_jobs,
            jobs::many_tiny_maps,
        }
    };
}

macro_rules! listed {
    ($($module:ident::$name:ident),* $(,)?) => {
        /// All scenarios, by name.
        pub const ALL: &[(&str, Scenario)] =
            &[$((concat!(stringify!($module), "::", stringify!($name)), $module::$name)),*];
    };
}

each_scenario!(listed);

/// The scenario of that name.
#[must_use]
pub fn find(name: &str) -> Option<Scenario> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, scenario)| *scenario)
}
