//! The catalog as its callers see it: on a real database file, reopened, damaged, shared and locked.

mod activity;
mod backup;
mod concurrency;
mod deletions;
mod files;
mod foreign;
mod frozen_pauses;
mod integrity;
mod intents;
mod jobs;
mod listing;
mod lock;
mod outbox;
mod properties;
mod quota;
mod records;
mod remote;
mod support;
