//! Where results go: text for people, JSON lines for programs.
//!
//! Knows: formats. Must not know what a figure means.

pub(crate) struct Report {
    json: bool,
}

impl Report {
    pub(crate) fn new(json: bool) -> Report {
        Report { json }
    }

    /// A line for people.
    pub(crate) fn line(&self, text: &str) {
        if self.json { eprintln!("{text}") } else { println!("{text}") }
    }

    /// A figure for programs. Names and units need no escaping.
    pub(crate) fn figure(&self, name: &str, value: f64, unit: &str) {
        if self.json && value.is_finite() {
            println!("{{\"figure\": \"{name}\", \"value\": {value:.4}, \"unit\": \"{unit}\"}}");
        }
    }
}
