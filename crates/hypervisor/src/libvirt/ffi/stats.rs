//! libvirt's statistics of all guests in one call.
//!
//! The `virt` crate wraps the call, but neither its values nor the release of its memory.

use std::ffi::{CStr, c_char};
use std::{ptr, slice};

use virt::connect::Connect;
use virt::error::Error;
use virt_sys as sys;

/// The answer: a list that libvirt has allocated, freed when dropped.
pub(in crate::libvirt) struct StatsRecords {
    list: *mut sys::virDomainStatsRecordPtr,
    count: usize,
}

impl StatsRecords {
    /// Asks for the groups `stats` of all guests.
    pub(in crate::libvirt) fn ask(connect: &Connect, stats: u32, flags: u32) -> Result<Self, Error> {
        let mut list: *mut sys::virDomainStatsRecordPtr = ptr::null_mut();
        // SAFETY: the connection is open, and libvirt fills in a list that `StatsRecords` frees.
        let count =
            unsafe { sys::virConnectGetAllDomainStats(connect.as_ptr(), stats, &raw mut list, flags) };
        match usize::try_from(count) {
            Ok(count) => Ok(Self { list, count }),
            Err(_) => Err(Error::last_error()),
        }
    }

    pub(in crate::libvirt) fn iter(&self) -> impl Iterator<Item = StatsRecord<'_>> {
        let records: &[sys::virDomainStatsRecordPtr] = if self.list.is_null() {
            &[]
        } else {
            // SAFETY: libvirt returned `count` pointers at `list`, which live until `self` is dropped.
            unsafe { slice::from_raw_parts(self.list, self.count) }
        };
        // SAFETY: every pointer of the list is a record, alive as long as the list.
        records.iter().filter_map(|record| unsafe { record.as_ref() }).map(StatsRecord)
    }
}

impl Drop for StatsRecords {
    fn drop(&mut self) {
        // SAFETY: libvirt allocated the list, or it is null, which libvirt ignores.
        unsafe { sys::virDomainStatsRecordListFree(self.list) };
    }
}

/// The statistics of one guest.
pub(in crate::libvirt) struct StatsRecord<'records>(&'records sys::virDomainStatsRecord);

/// A value of a statistic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::libvirt) enum Value<'records> {
    Number(u64),
    Text(&'records str),
}

impl StatsRecord<'_> {
    pub(in crate::libvirt) fn id(&self) -> Option<u32> {
        // SAFETY: the record holds a reference to its domain.
        let id = unsafe { sys::virDomainGetID(self.0.dom) };
        // libvirt's word for none is -1 as an unsigned number.
        (id != u32::MAX).then_some(id)
    }

    pub(in crate::libvirt) fn name(&self) -> Option<String> {
        // SAFETY: as above; the name lives as long as the domain and is copied.
        unsafe { text(sys::virDomainGetName(self.0.dom)) }.map(str::to_owned)
    }

    pub(in crate::libvirt) fn uuid(&self) -> Option<String> {
        let mut uuid = [0_u8; 16];
        // SAFETY: libvirt writes the 16 bytes of a raw UUID.
        let result = unsafe { sys::virDomainGetUUID(self.0.dom, uuid.as_mut_ptr()) };
        (result == 0).then(|| uuid::Uuid::from_bytes(uuid).to_string())
    }

    /// Every statistic that is a number from 0 up, or a text.
    pub(in crate::libvirt) fn values(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        let count = usize::try_from(self.0.nparams).unwrap_or(0);
        let params: &[sys::virTypedParameter] = if self.0.params.is_null() {
            &[]
        } else {
            // SAFETY: the record has `nparams` parameters, alive as long as the record.
            unsafe { slice::from_raw_parts(self.0.params, count) }
        };
        params.iter().filter_map(|param| {
            // SAFETY: a field's name ends with a null character within its 80 bytes.
            let name = unsafe { text(param.field.as_ptr()) }?;
            Some((name, value(param)?))
        })
    }
}

fn value(param: &sys::virTypedParameter) -> Option<Value<'_>> {
    let kind = u32::try_from(param.type_).ok()?;
    // SAFETY: the type says which member of the union is valid.
    unsafe {
        match kind {
            sys::VIR_TYPED_PARAM_INT => u64::try_from(param.value.i).ok().map(Value::Number),
            sys::VIR_TYPED_PARAM_UINT => Some(Value::Number(param.value.ui.into())),
            sys::VIR_TYPED_PARAM_LLONG => u64::try_from(param.value.l).ok().map(Value::Number),
            sys::VIR_TYPED_PARAM_ULLONG => Some(Value::Number(param.value.ul)),
            sys::VIR_TYPED_PARAM_STRING => text(param.value.s).map(Value::Text),
            _ => None,
        }
    }
}

/// The text at `start`; `None` if it is null or no UTF-8.
///
/// # Safety
/// `start` is null or the start of a text that ends with a null character and lives for `'text`.
unsafe fn text<'text>(start: *const c_char) -> Option<&'text str> {
    if start.is_null() {
        return None;
    }
    // SAFETY: by the contract of this function.
    unsafe { CStr::from_ptr(start) }.to_str().ok()
}
