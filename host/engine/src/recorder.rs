//! What a shard measured since it was last asked.
