//! How many users fit on this machine.
