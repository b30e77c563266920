//! The parameters of a study, read from a TOML file and spread into runs.
//!
//! Reading checks everything a run needs, so that a mistake is reported with its file, line and key before any engine
//! starts. Keys that are not known are refused: a misspelt one would otherwise silently mean its default.

use crate::ising::{BLOCKS, RunSpec};
use crate::lattice::SIZES;
use crate::onsager::CRITICAL_TEMPERATURE;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use thiserror::Error;
use toml::Spanned;

/// The parameters of a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The lattice is `size` × `size`.
    pub size: u32,
    /// The lowest temperature, in units of J/k_B.
    pub from: f64,
    /// The highest temperature.
    pub to: f64,
    /// How many temperatures.
    pub count: u32,
    /// The distance from the critical temperature within which temperatures are densest.
    pub dense_within: f64,
    /// Independent runs at each temperature.
    pub replicas: u32,
    /// Sweeps before the first measurement.
    pub burn_in: u32,
    /// Measured sweeps.
    pub sweeps: u32,
    /// All seeds follow from it; 0 asks [`Settings::with_seed`] to draw one.
    pub base_seed: u64,
}

/// Why settings could not be read. All but the first are for the author of the file to mend.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file could not be read.
    #[error("cannot read the settings {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Not TOML, or with keys that are missing, unknown or of the wrong type.
    #[error("{file}: {source}")]
    Syntax {
        /// The file.
        file: String,
        /// The place and the problem.
        source: Box<toml::de::Error>,
    },
    /// A value that no run can have.
    #[error("{file}, line {line}: {key} is {got}, but must be {expected}")]
    Value {
        /// The file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// With its table, such as `runs.sweeps`.
        key: &'static str,
        /// The value found.
        got: String,
        /// What would do.
        expected: String,
    },
    /// The operating system gave no random seed.
    #[error(
        "cannot draw a seed from the operating system ({0}): set runs.base_seed to a number other than 0"
    )]
    Seed(getrandom::Error),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    lattice: LatticeTable,
    temperatures: TemperaturesTable,
    runs: RunsTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LatticeTable {
    size: Spanned<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TemperaturesTable {
    from: Spanned<f64>,
    to: Spanned<f64>,
    count: Spanned<u32>,
    dense_within: Spanned<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunsTable {
    replicas: Spanned<u32>,
    burn_in: Spanned<u32>,
    sweeps: Spanned<u32>,
    base_seed: u64,
}

/// A settings file, to say where a value stands.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    /// The value, if it is acceptable.
    fn check<T: Copy + Display>(
        &self,
        key: &'static str,
        value: &Spanned<T>,
        accept: impl Fn(T) -> bool,
        expected: impl Into<String>,
    ) -> Result<T, SettingsError> {
        let got = *value.get_ref();
        if accept(got) {
            return Ok(got);
        }
        let line = 1 + self.text[..value.span().start].matches('\n').count();
        Err(SettingsError::Value {
            file: self.file.to_owned(),
            line,
            key,
            got: got.to_string(),
            expected: expected.into(),
        })
    }

    fn within<T: Copy + Display + PartialOrd>(
        &self,
        key: &'static str,
        value: &Spanned<T>,
        range: RangeInclusive<T>,
    ) -> Result<T, SettingsError> {
        let expected = format!("from {} to {}", range.start(), range.end());
        self.check(key, value, |got| range.contains(&got), expected)
    }
}

impl Settings {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Checks the text of a settings file; `file` is its name in errors.
    pub fn parse(text: &str, file: &str) -> Result<Self, SettingsError> {
        let document: Document = toml::from_str(text)
            .map_err(|source| SettingsError::Syntax { file: file.to_owned(), source: Box::new(source) })?;
        let Document { lattice, temperatures, runs } = document;
        let source = Source { file, text };
        let sizes = SIZES.map(|size| size.to_string()).join(", ");
        let from = source.within("temperatures.from", &temperatures.from, 0.1..=100.0)?;
        Ok(Self {
            size: source.check(
                "lattice.size",
                &lattice.size,
                |got| SIZES.contains(&got),
                format!("one of {sizes}"),
            )?,
            from,
            to: source.check(
                "temperatures.to",
                &temperatures.to,
                |got| got > from && got <= 100.0,
                format!("above temperatures.from ({from}) and at most 100"),
            )?,
            count: source.within("temperatures.count", &temperatures.count, 2..=10_000)?,
            dense_within: source.within(
                "temperatures.dense_within",
                &temperatures.dense_within,
                0.001..=100.0,
            )?,
            replicas: source.within("runs.replicas", &runs.replicas, 1..=10_000)?,
            burn_in: source.within("runs.burn_in", &runs.burn_in, 0..=1_000_000_000)?,
            sweeps: source.check(
                "runs.sweeps",
                &runs.sweeps,
                |got| got.is_multiple_of(BLOCKS) && (BLOCKS..=1_000_000_000).contains(&got),
                format!("a multiple of {BLOCKS} from {BLOCKS} to 1000000000"),
            )?,
            base_seed: runs.base_seed,
        })
    }

    /// The same settings with a seed that can be recorded: where it is 0, one from the operating system.
    pub fn with_seed(mut self) -> Result<Self, SettingsError> {
        while self.base_seed == 0 {
            // TOML's integers are signed, and a recorded seed should fit back into the file.
            self.base_seed = getrandom::u64().map_err(SettingsError::Seed)? >> 1;
        }
        Ok(self)
    }

    /// The temperatures, rising. Evenly spaced in arsinh((T − T_c)/dense_within): nearly uniform close to the critical
    /// temperature, and ever wider away from it.
    pub fn temperatures(&self) -> Vec<f64> {
        let stretch = |temperature: f64| ((temperature - CRITICAL_TEMPERATURE) / self.dense_within).asinh();
        let (first, last) = (stretch(self.from), stretch(self.to));
        let steps = f64::from(self.count - 1);
        (0..self.count)
            .map(|k| match k {
                // Exactly as written in the file.
                0 => self.from,
                k if k == self.count - 1 => self.to,
                k => {
                    CRITICAL_TEMPERATURE
                        + self.dense_within * (first + (last - first) * f64::from(k) / steps).sinh()
                }
            })
            .collect()
    }

    /// All runs, temperature by temperature. Their seeds are the successive values of SplitMix64 from the base seed: all
    /// different, and the same for the same settings.
    pub fn runs(&self) -> Vec<RunSpec> {
        let mut seeds = SplitMix64::seed_from_u64(self.base_seed);
        let mut runs = Vec::with_capacity(self.count as usize * self.replicas as usize);
        for temperature in self.temperatures() {
            for _ in 0..self.replicas {
                let (size, burn_in, sweeps) = (self.size, self.burn_in, self.sweeps);
                runs.push(RunSpec { size, temperature, seed: seeds.next_u64(), burn_in, sweeps });
            }
        }
        runs
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
