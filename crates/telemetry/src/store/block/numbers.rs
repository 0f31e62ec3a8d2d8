//! Numbers in few bytes: of seven bits a byte, as differences, and runs of zeros as one number.

use super::Damaged;

pub(super) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

pub(super) fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}

pub(super) fn difference(number: u64, expected: u64) -> i64 {
    signed(number.wrapping_sub(expected))
}

pub(super) fn differences(numbers: impl Iterator<Item = i64>) -> impl Iterator<Item = i64> {
    let mut before = 0_i64;
    numbers.map(move |number| number.wrapping_sub(std::mem::replace(&mut before, number)))
}

pub(super) fn sums(differences: &[i64]) -> Vec<i64> {
    let mut sum = 0_i64;
    differences
        .iter()
        .map(|difference| {
            sum = sum.wrapping_add(*difference);
            sum
        })
        .collect()
}

/// Seven bits a byte, the lowest first.
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

/// Each number with its sign in the lowest bit. A 0 is followed by how many zeros follow it.
pub(super) fn put_stream(out: &mut Vec<u8>, numbers: impl Iterator<Item = i64>) {
    let mut zeros = 0_u64;
    for number in numbers {
        if number == 0 {
            zeros += 1;
            continue;
        }
        put_zeros(out, &mut zeros);
        put(out, unsigned((number << 1) ^ (number >> 63)));
    }
    put_zeros(out, &mut zeros);
}

fn put_zeros(out: &mut Vec<u8>, zeros: &mut u64) {
    if *zeros > 0 {
        put(out, 0);
        put(out, *zeros - 1);
        *zeros = 0;
    }
}

/// What is left to read.
pub(super) struct Input<'block>(pub(super) &'block [u8]);

impl<'block> Input<'block> {
    pub(super) fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.0.split_first().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'block [u8], Damaged> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Damaged)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damaged)
    }

    pub(super) fn len(&mut self) -> Result<usize, Damaged> {
        usize::try_from(self.number()?).map_err(|_| Damaged)
    }

    pub(super) fn stream(&mut self, count: usize) -> Result<Vec<i64>, Damaged> {
        let mut numbers = Vec::with_capacity(count);
        while numbers.len() < count {
            let number = self.number()?;
            if number == 0 {
                let zeros = self.len()?.checked_add(1).filter(|zeros| numbers.len() + zeros <= count);
                numbers.resize(numbers.len() + zeros.ok_or(Damaged)?, 0);
            } else {
                numbers.push(signed(number >> 1) ^ -signed(number & 1));
            }
        }
        Ok(numbers)
    }
}
