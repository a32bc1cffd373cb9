//! Coordinates runs: splits load, follows workers, merges intervals, offers one view.
