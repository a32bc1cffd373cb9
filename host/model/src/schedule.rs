//! When iterations are due, and how many users are wanted.
