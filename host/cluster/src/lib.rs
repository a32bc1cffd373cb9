//! The fleet over NATS: connections, subjects, modules, assignments and streamed intervals.
