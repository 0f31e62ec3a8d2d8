//! The catalog as its callers see it: on a real database file, reopened, damaged, shared and locked.

mod activity;
mod archives;
mod audit;
mod backup;
mod concurrency;
mod deletions;
mod figures;
mod files;
mod foreign;
mod frozen_pauses;
mod integrity;
mod intents;
mod jobs;
mod kept_images;
mod listing;
mod lock;
mod notifications;
mod outbox;
mod properties;
mod quota;
mod records;
mod remote;
mod requests;
mod support;
mod trends;
mod verifications;
