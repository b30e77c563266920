//! Numbers that carry their first two derivatives, so that a closed formula is differentiated exactly.

use std::ops::{Add, Mul};

/// A value with its first and second derivative in one variable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Jet {
    pub(crate) value: f64,
    pub(crate) first: f64,
    pub(crate) second: f64,
}

impl Jet {
    pub(crate) fn constant(value: f64) -> Self {
        Self { value, first: 0.0, second: 0.0 }
    }

    /// f(self), from f and its derivatives at `self.value`.
    pub(crate) fn chain(self, f: f64, df: f64, ddf: f64) -> Self {
        Self { value: f, first: df * self.first, second: ddf * self.first.powi(2) + df * self.second }
    }

    pub(crate) fn scale(self, by: f64) -> Self {
        Self { value: by * self.value, first: by * self.first, second: by * self.second }
    }

    pub(crate) fn ln(self) -> Self {
        let inverse = self.value.recip();
        self.chain(self.value.ln(), inverse, -inverse * inverse)
    }

    /// arcosh(self), for values above 1.
    pub(crate) fn acosh(self) -> Self {
        let root = (self.value * self.value - 1.0).sqrt();
        self.chain(self.value.acosh(), root.recip(), -self.value / root.powi(3))
    }

    /// e^self · e^−by: shifting the exponent keeps large ones from overflowing.
    pub(crate) fn exp_minus(self, by: f64) -> Self {
        let exp = (self.value - by).exp();
        self.chain(exp, exp, exp)
    }
}

impl Add for Jet {
    type Output = Jet;

    fn add(self, other: Jet) -> Jet {
        Jet {
            value: self.value + other.value,
            first: self.first + other.first,
            second: self.second + other.second,
        }
    }
}

impl Mul for Jet {
    type Output = Jet;

    fn mul(self, other: Jet) -> Jet {
        Jet {
            value: self.value * other.value,
            first: self.first * other.value + self.value * other.first,
            second: self.second * other.value + 2.0 * self.first * other.first + self.value * other.second,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(jet: Jet, value: f64, first: f64, second: f64) {
        for (got, expected) in [(jet.value, value), (jet.first, first), (jet.second, second)] {
            assert!((got - expected).abs() < 1e-12 * expected.abs().max(1.0), "{jet:?}: {expected}");
        }
    }

    #[test]
    fn derivatives_follow_the_rules() {
        let x = Jet { value: 1.5, first: 1.0, second: 0.0 };
        near(x * x * x, 3.375, 6.75, 9.0);
        near((x * x).ln(), 2.0 * 1.5f64.ln(), 2.0 / 1.5, -2.0 / 2.25);
        near(x.scale(2.0).exp_minus(3.0), 1.0, 2.0, 4.0);
        let root = 1.25f64.sqrt();
        near(x.acosh(), 1.5f64.acosh(), 1.0 / root, -1.5 / root.powi(3));
        near(x + Jet::constant(2.0), 3.5, 1.0, 0.0);
    }
}
