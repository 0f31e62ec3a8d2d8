//! memdeck: take, watch, verify and keep memory dumps of virtual machines.
//!
//! This crate is the outermost layer: configuration, subcommands, HTTP, and the wiring of adapters ([`node`]). What operators
//! can ask for is in `memdeck_operations`; both faces of HTTP, the REST calls and the page's server functions, go through it.

// Where nobody reads, they panic: subcommands print through `commands::output`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod archives;
mod audit_syslog;
mod catalog_care;
pub mod cli;
pub mod commands;
pub mod config;
pub mod dialing;
mod doctor;
mod evidence;
pub mod foreign_rows;
mod guardian;
pub mod host_book;
pub mod http;
pub mod log;
pub mod metrics;
mod node;
mod oidc;
pub mod outbox;
mod ownership;
mod service_manager;
pub mod services;
mod signing;
mod telemetry;
pub mod time_stamps;
mod token;
