//! memdeck as its callers see it: every call of the contracts as a transcript, every rule of the access, the two
//! services together, and the rules of the house.

mod access;
mod activity;
mod agent;
mod architecture;
mod base_path;
mod command_line;
mod commands;
mod connections;
mod dashboard;
mod documents;
mod events;
mod foreign_rows;
mod frozen_pause;
mod identity;
mod image_care;
mod images;
mod layers;
mod local_callers;
#[path = "../markdown/mod.rs"]
mod markdown;
mod modules;
mod openapi;
mod outbox;
mod readiness;
mod records;
mod remote;
mod remote_foreign;
mod remote_images;
mod remote_older;
mod remote_untrusted;
mod routes;
mod sign_in;
mod site;
mod stopping;
mod support;
mod telemetry;
