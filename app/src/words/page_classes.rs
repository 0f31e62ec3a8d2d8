//! What the pages of a guest's memory hold, in words.

use memdeck_model::PageClass;

/// What a class is called.
pub fn class_name(class: PageClass) -> &'static str {
    match class {
        PageClass::Zero => "Zero",
        PageClass::Uniform => "Uniform",
        PageClass::Text => "Text",
        PageClass::Sparse => "Sparse",
        PageClass::HighEntropy => "High entropy",
        PageClass::Binary => "Binary",
    }
}

/// What that means.
pub fn class_hint(class: PageClass) -> &'static str {
    match class {
        PageClass::Zero => "only zeroes",
        PageClass::Uniform => "one byte, repeated",
        PageClass::Text => "readable characters",
        PageClass::Sparse => "mostly zeroes",
        PageClass::HighEntropy => "compressed, encrypted or random",
        PageClass::Binary => "code, tables, heaps",
    }
}
