//! Follows assignments and reports.
