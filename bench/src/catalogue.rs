//! Every figure there is: its key in the summary, what it is, its unit, its budget.

/// A figure that a run can have.
#[derive(Debug, PartialEq)]
pub(crate) struct Definition {
    /// Its key in `summary.json`.
    pub(crate) key: &'static str,
    /// What it is, for the table.
    pub(crate) label: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) budget: Option<Budget>,
    /// Whether more is better: for comparing with peers.
    pub(crate) more_is_better: bool,
}

/// What a figure's median must keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Budget {
    AtLeast(f64),
    AtMost(f64),
}

impl Budget {
    pub(crate) fn is_kept(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
        }
    }
}

macro_rules! catalogue {
    ($($name:ident = $key:literal, $label:literal, $unit:literal, $better:ident $(, $bound:ident($limit:literal))?;)*) => {
        $(
            #[doc = $label]
            #[allow(dead_code, reason = "some are found by their keys only")]
            pub(crate) static $name: Definition = Definition {
                key: $key,
                label: $label,
                unit: $unit,
                budget: catalogue!(@budget $($bound($limit))?),
                more_is_better: catalogue!(@better $better),
            };
        )*
        /// All of them, in the order of the table.
        pub(crate) static ALL: &[&Definition] = &[$(&$name),*];
    };
    (@budget) => { None };
    (@budget $bound:ident($limit:literal)) => { Some(Budget::$bound($limit)) };
    (@better more) => { true };
    (@better less) => { false };
}

catalogue! {
    CHUNK_1 = "elements_per_s_chunk1", "no-op map, chunksize 1", "elements/s", more, AtLeast(1e6);
    CHUNK_10 = "elements_per_s_chunk10", "no-op map, chunksize 10", "elements/s", more;
    CHUNK_100 = "elements_per_s_chunk100", "no-op map, chunksize 100", "elements/s", more;
    CHUNK_1000 = "elements_per_s_chunk1000", "no-op map, chunksize 1000", "elements/s", more;
    CHUNK_AUTO = "elements_per_s_auto", "no-op map, Auto", "elements/s", more;
    APPLY_RTT = "apply_rtt_us", "apply to one engine", "µs", less;
    BALANCED_RTT = "balanced_apply_rtt_us", "apply wherever there is room", "µs", less;
    UNARY_RTT = "grpc_unary_rtt_us", "reference: bare tonic unary call", "µs", less;
    APPLY_RATIO = "apply_over_grpc_unary", "apply / unary call", "×", less, AtMost(2.0);
    SCATTER = "scatter_mib_s", "scatter 64 MiB", "MiB/s", more;
    GATHER = "gather_mib_s", "gather 64 MiB", "MiB/s", more;
    PUSH = "push_mib_s", "push 64 MiB to every engine, all together", "MiB/s", more;
    STREAM = "grpc_stream_mib_s", "reference: bare tonic stream echoes 64 MiB", "MiB/s", more;
    SCATTER_RATIO = "scatter_over_grpc_stream", "scatter / stream", "×", more, AtLeast(0.6);
    GATHER_RATIO = "gather_over_grpc_stream", "gather / stream", "×", more, AtLeast(0.6);
    SUMS_10 = "sums_chunk10_s", "5000 × 3 sums, chunksize 10", "s", less;
    SUMS_100 = "sums_chunk100_s", "5000 × 3 sums, chunksize 100", "s", less;
    AUTO_UNIFORM = "auto_ratio_uniform", "best fixed chunks / Auto, uniform elements", "×", more, AtLeast(0.9);
    AUTO_HEAVY = "auto_ratio_heavy", "best fixed chunks / Auto, heavy-tailed elements", "×", more, AtLeast(0.9);
    AUTO_TINY = "auto_ratio_tiny", "best fixed chunks / Auto, tiny elements", "×", more, AtLeast(0.9);
    HISTORY_RATIO = "history_overhead_ratio", "no-op map, chunksize 1, history kept / not kept", "×", more, AtLeast(0.9);
    HDF5_RATIO = "hdf5_stream_ratio", "100 000 results of 40 µs each, to a file / without", "×", less, AtMost(1.1);
    HDF5_NOOP = "hdf5_noop_elements_per_s", "100 000 no-op results to a file", "elements/s", more;
    FAIR_RATIO = "fair_latency_ratio", "call beside another client's million elements / alone: the worst below", "×", less, AtMost(3.0);
    FAIR_ALONE = "fair_alone_us", "… such a call alone", "µs", less;
    FAIR_ALONE_DIRECT = "fair_alone_direct_us", "… alone, to one engine", "µs", less;
    FAIR_SHORT_AUTO = "fair_ratio_15us_auto", "… elements of 15 µs, Auto", "×", less;
    FAIR_SHORT_1 = "fair_ratio_15us_chunk1", "… elements of 15 µs, chunksize 1", "×", less;
    FAIR_NOOP_AUTO = "fair_ratio_noop_auto", "… no-op elements, Auto", "×", less;
    FAIR_NOOP_1 = "fair_ratio_noop_chunk1", "… no-op elements, chunksize 1", "×", less;
    FAIR_SHORT_AUTO_DIRECT = "fair_ratio_15us_auto_direct", "… to one engine, elements of 15 µs, Auto", "×", less;
    FAIR_SHORT_1_DIRECT = "fair_ratio_15us_chunk1_direct", "… to one engine, elements of 15 µs, chunksize 1", "×", less;
    FAIR_NOOP_AUTO_DIRECT = "fair_ratio_noop_auto_direct", "… to one engine, no-op elements, Auto", "×", less;
    FAIR_NOOP_1_DIRECT = "fair_ratio_noop_chunk1_direct", "… to one engine, no-op elements, chunksize 1", "×", less;
    BROADCAST_ONCE = "broadcast_once_ms", "push 16 MiB to 8 engines of a node at once", "ms", less;
    BROADCAST_EACH = "broadcast_each_ms", "push 16 MiB to each of them, one by one", "ms", less;
    BROADCAST_RATIO = "broadcast_ratio", "one by one / at once", "×", more;
    COMM_BARRIER_2 = "comm_barrier_2_us", "barrier, 2 ranks", "µs", less;
    COMM_BROADCAST_8B_2 = "comm_broadcast_8b_2_us", "broadcast of 8 B, 2 ranks", "µs", less;
    COMM_ALL_REDUCE_8B_2 = "comm_all_reduce_8b_2_us", "all_reduce of 8 B, 2 ranks", "µs", less;
    COMM_GATHER_8B_2 = "comm_gather_8b_2_us", "gather of 8 B, 2 ranks", "µs", less;
    COMM_BROADCAST_64K_2 = "comm_broadcast_64k_2_us", "broadcast of 64 KiB, 2 ranks", "µs", less;
    COMM_ALL_REDUCE_64K_2 = "comm_all_reduce_64k_2_us", "all_reduce of 64 KiB, 2 ranks", "µs", less;
    COMM_GATHER_64K_2 = "comm_gather_64k_2_us", "gather of 64 KiB, 2 ranks", "µs", less;
    COMM_BROADCAST_16M_2 = "comm_broadcast_16m_2_us", "broadcast of 16 MiB, 2 ranks", "µs", less;
    COMM_ALL_REDUCE_16M_2 = "comm_all_reduce_16m_2_us", "all_reduce of 16 MiB, 2 ranks", "µs", less;
    COMM_GATHER_16M_2 = "comm_gather_16m_2_us", "gather of 16 MiB, 2 ranks", "µs", less;
    COMM_BARRIER_4 = "comm_barrier_4_us", "barrier, 4 ranks", "µs", less;
    COMM_BROADCAST_8B_4 = "comm_broadcast_8b_4_us", "broadcast of 8 B, 4 ranks", "µs", less;
    COMM_ALL_REDUCE_8B_4 = "comm_all_reduce_8b_4_us", "all_reduce of 8 B, 4 ranks", "µs", less;
    COMM_GATHER_8B_4 = "comm_gather_8b_4_us", "gather of 8 B, 4 ranks", "µs", less;
    COMM_BROADCAST_64K_4 = "comm_broadcast_64k_4_us", "broadcast of 64 KiB, 4 ranks", "µs", less;
    COMM_ALL_REDUCE_64K_4 = "comm_all_reduce_64k_4_us", "all_reduce of 64 KiB, 4 ranks", "µs", less;
    COMM_GATHER_64K_4 = "comm_gather_64k_4_us", "gather of 64 KiB, 4 ranks", "µs", less;
    COMM_BROADCAST_16M_4 = "comm_broadcast_16m_4_us", "broadcast of 16 MiB, 4 ranks", "µs", less;
    COMM_ALL_REDUCE_16M_4 = "comm_all_reduce_16m_4_us", "all_reduce of 16 MiB, 4 ranks", "µs", less;
    COMM_GATHER_16M_4 = "comm_gather_16m_4_us", "gather of 16 MiB, 4 ranks", "µs", less;
    LOCAL_READY = "local4_ready_ms", "Client::local(4) ready", "ms", less, AtMost(300.0);
    LOCAL_CALLED = "local4_first_call_ms", "Client::local(4) and a call on all four done", "ms", less;
    ENGINE_MIB = "idle_engine_mib", "idle engine: worker and share of the daemon", "MiB", less, AtMost(20.0);
    ENGINE_CPU = "idle_engine_cpu_percent", "idle engine: share of one core", "%", less, AtMost(0.1);
    CONTROLLER_CPU = "idle_controller_cpu_percent", "idle controller: share of one core", "%", less, AtMost(0.1);
    CONTROLLER_IDLE = "controller_mib_idle", "controller without a job", "MiB", less;
    CONTROLLER_1M = "controller_mib_1m", "controller with 1 000 000 unfinished chunks", "MiB", less;
    CHUNK_BYTES = "controller_bytes_per_chunk_1m", "beyond idle and payload, per unfinished chunk", "B", less, AtMost(200.0);
    CORE_10 = "sched_ns_per_chunk_10", "scheduler core, 10 engines", "ns/chunk", less;
    CORE_10K = "sched_ns_per_chunk_10000", "scheduler core, 10 000 engines", "ns/chunk", less;
    CORE_RATIO = "sched_cost_ratio", "10 000 engines / 10 engines", "×", less, AtMost(2.0);
}

/// The figure of that key.
pub(crate) fn find(key: &str) -> Option<&'static Definition> {
    ALL.iter().copied().find(|definition| definition.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_there_once() {
        let keys: std::collections::BTreeSet<_> = ALL.iter().map(|d| d.key).collect();
        assert_eq!(keys.len(), ALL.len());
        assert_eq!(find("gather_mib_s"), Some(&GATHER));
        assert_eq!(find("gather"), None);
    }

    /// They are read by name elsewhere, so a new name is a loss.
    #[test]
    fn keys_that_others_read_stay() {
        let promised = "elements_per_s_chunk1 elements_per_s_chunk10 elements_per_s_chunk100 elements_per_s_chunk1000 \
             elements_per_s_auto apply_rtt_us grpc_unary_rtt_us scatter_mib_s gather_mib_s grpc_stream_mib_s \
             local4_ready_ms history_overhead_ratio hdf5_stream_ratio comm_barrier_2_us comm_all_reduce_16m_4_us idle_engine_mib controller_mib_1m sched_ns_per_chunk_10 sched_ns_per_chunk_10000";
        let lost: Vec<_> = promised.split_whitespace().filter(|key| find(key).is_none()).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }

    #[test]
    fn a_budget_includes_its_limit() {
        assert!(Budget::AtLeast(1e6).is_kept(1e6) && !Budget::AtLeast(1e6).is_kept(999_999.0));
        assert!(Budget::AtMost(2.0).is_kept(2.0) && !Budget::AtMost(2.0).is_kept(2.01));
    }
}
