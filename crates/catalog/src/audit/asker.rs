//! Where the request came from that a thread works for, and what was noted of it. It stands beside the work and not among
//! its arguments: nothing is decided by it, and everything that is asked for would have to pass it on.

use std::cell::RefCell;

use memdeck_model::audit::AuditHead;

#[derive(Default)]
struct Asker {
    address: Option<String>,
    noted: Option<AuditHead>,
}

thread_local! {
    static ASKER: RefCell<Asker> = const { RefCell::new(Asker { address: None, noted: None }) };
}

/// Does `work` for somebody at `address`: entries of the audit that this thread makes meanwhile have it. Returns the last
/// of them, too.
pub fn asked_from<T>(address: Option<String>, work: impl FnOnce() -> T) -> (T, Option<AuditHead>) {
    /// Puts back what was there, also where the work panics.
    struct Before(Asker);
    impl Drop for Before {
        fn drop(&mut self) {
            ASKER.set(std::mem::take(&mut self.0));
        }
    }
    let _before = Before(ASKER.replace(Asker { address, noted: None }));
    let value = work();
    (value, ASKER.with_borrow(|asker| asker.noted.clone()))
}

pub(super) fn address() -> Option<String> {
    ASKER.with_borrow(|asker| asker.address.clone())
}

pub(super) fn noted(head: &AuditHead) {
    ASKER.with_borrow_mut(|asker| asker.noted = Some(head.clone()));
}

#[cfg(test)]
mod tests {
    use memdeck_model::audit::AuditHash;

    use super::*;

    #[test]
    fn it_holds_for_the_work_alone() {
        let some = || Some("198.51.100.7".to_owned());
        let head = AuditHead { chain: AuditHash([1; 32]), seq: 7, hash: AuditHash([2; 32]) };
        let ((), last) = asked_from(some(), || {
            assert_eq!(address(), some());
            let ((), within) = asked_from(None, || {
                assert_eq!(address(), None);
                noted(&head);
            });
            assert_eq!(within.as_ref(), Some(&head));
            assert_eq!(address(), some());
            assert_eq!(std::thread::spawn(address).join().unwrap(), None);
        });
        assert_eq!((last, address()), (None, None));
        let panicked = std::panic::catch_unwind(|| asked_from(some(), || panic!("work")));
        assert!(panicked.is_err());
        assert_eq!(address(), None);
    }
}
