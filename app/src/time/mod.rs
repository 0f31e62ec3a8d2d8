//! Time as the page shows it: the present of the server's clock, differences in words, instants in the operator's
//! time zone.

mod clock;
mod local;
mod relative;

pub use clock::{Clock, browser_now};
pub use local::{from_local, local_date, local_time, start_of_local_day};
pub use relative::relative;
