//! The results as plain text, each temperature beside its exact values, with a verdict at the end.

use crate::kaufman;
use crate::onsager;
use crate::point::Point;
use std::fmt::{self, Display, Formatter};

/// A printable table of points. Deviations are measured against the exact solution of the same finite lattice.
#[derive(Debug, Clone)]
pub struct Table<'a> {
    points: &'a [Point],
}

/// How the simulated energies agree with the exact ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// The root mean square of the deviations, in standard errors; 1 is expected.
    pub rms: f64,
    /// The fraction of deviations within two standard errors; 0.95 is expected.
    pub within_two: f64,
    /// The largest deviation, in standard errors.
    pub largest: f64,
}

impl Agreement {
    /// From deviations in standard errors; `None` if there are none.
    pub fn new(deviations: &[f64]) -> Option<Self> {
        let n = deviations.len() as f64;
        (!deviations.is_empty()).then(|| Self {
            rms: (deviations.iter().map(|off| off * off).sum::<f64>() / n).sqrt(),
            within_two: deviations.iter().filter(|off| off.abs() <= 2.0).count() as f64 / n,
            largest: deviations.iter().fold(0.0, |most: f64, off| most.max(off.abs())),
        })
    }
}

impl<'a> Table<'a> {
    /// A table of points, in their order.
    pub fn new(points: &'a [Point]) -> Self {
        Self { points }
    }

    /// The agreement of the energies with the finite lattice's exact ones; `None` if no point has an error to count in.
    pub fn energy_agreement(&self) -> Option<Agreement> {
        self.agreement(|point| point.energy.deviation(kaufman::exact(point.size, point.temperature).energy))
    }

    /// The agreement of the specific heats with the finite lattice's exact ones; `None` if no point has an error to count in.
    pub fn specific_heat_agreement(&self) -> Option<Agreement> {
        self.agreement(|point| {
            point.specific_heat.deviation(kaufman::exact(point.size, point.temperature).specific_heat)
        })
    }

    fn agreement(&self, deviation: impl Fn(&Point) -> Option<f64>) -> Option<Agreement> {
        Agreement::new(&self.points.iter().filter_map(deviation).collect::<Vec<_>>())
    }

    fn summary(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (Some(energy), Some(heat)) = (self.energy_agreement(), self.specific_heat_agreement()) else {
            return writeln!(f, "no results that fluctuate: nothing to compare");
        };
        for (name, agreement) in [("energy", energy), ("specific heat", heat)] {
            writeln!(
                f,
                "{name:<14} rms deviation {:.2} σ (1 expected), {:.0} % within 2 σ (95 % expected), largest {:.1} σ",
                agreement.rms,
                100.0 * agreement.within_two,
                agreement.largest
            )?;
        }
        let gap = |point: &Point| {
            (kaufman::exact(point.size, point.temperature).energy - onsager::energy(point.temperature)).abs()
        };
        let widest = self.points.iter().max_by(|a, b| gap(a).total_cmp(&gap(b))).expect("there are points");
        writeln!(
            f,
            "σ counts from the exact solution of this lattice (Kaufman). Onsager's is that of an infinite one: near T_c = {:.4}\n\
             they differ (by up to {:.4} in the energy, at T = {:.4}), the finite specific heat has a rounded peak, and points\n\
             that miss Onsager's curve there are right to do so.",
            onsager::CRITICAL_TEMPERATURE,
            gap(widest),
            widest.temperature
        )
    }
}

impl Display for Table<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "                energy per site                                     specific heat per site"
        )?;
        writeln!(
            f,
            "{:>8}  {:>9} {:>8}  {:>9} {:>6}  {:>9}   {:>7} {:>7}  {:>7} {:>6}  {:>7}",
            "T",
            "simulated",
            "± error",
            "exact",
            "off/σ",
            "Onsager",
            "simul.",
            "± error",
            "exact",
            "off/σ",
            "Onsager"
        )?;
        for point in self.points {
            let exact = kaufman::exact(point.size, point.temperature);
            writeln!(
                f,
                "{:>8.4}  {:>9.5} {:>8.5}  {:>9.5} {:>6}  {:>9.5}   {:>7.4} {:>7.4}  {:>7.4} {:>6}  {:>7.4}",
                point.temperature,
                point.energy.mean,
                point.energy.error,
                exact.energy,
                signed(point.energy.deviation(exact.energy)),
                onsager::energy(point.temperature),
                point.specific_heat.mean,
                point.specific_heat.error,
                exact.specific_heat,
                signed(point.specific_heat.deviation(exact.specific_heat)),
                onsager::specific_heat(point.temperature)
            )?;
        }
        self.summary(f)
    }
}

/// A deviation with its sign, or a dash where there is no error to count in.
fn signed(deviation: Option<f64>) -> String {
    deviation.map_or_else(|| "–".to_owned(), |off| format!("{off:+.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocking::Estimate;

    /// A point whose energy lies `off` errors above the exact one, and its specific heat as many below.
    fn point(temperature: f64, off: f64) -> Point {
        let exact = kaufman::exact(32, temperature);
        Point {
            size: 32,
            temperature,
            replicas: 4,
            energy: Estimate { mean: exact.energy + off * 0.001, error: 0.001 },
            magnetisation: Estimate { mean: 0.5, error: 0.1 },
            specific_heat: Estimate { mean: exact.specific_heat - off * 0.02, error: 0.02 },
            binder: Estimate { mean: 0.5, error: 0.1 },
        }
    }

    #[test]
    fn agreement_counts_deviations() {
        let agreement = Agreement::new(&[1.0, -1.0, 3.0, 0.0]).expect("four deviations");
        assert!((agreement.rms - (11.0f64 / 4.0).sqrt()).abs() < 1e-15);
        assert_eq!((agreement.within_two, agreement.largest), (0.75, 3.0));
        assert_eq!(Agreement::new(&[]), None);
    }

    #[test]
    fn the_table_lines_up_and_judges() {
        let points = [point(1.5, 0.5), point(2.2692, -1.25), point(2.5, 2.5), point(3.5, -0.25)];
        insta::assert_snapshot!(Table::new(&points));
    }

    #[test]
    fn a_point_without_an_error_is_shown_but_not_judged() {
        let mut points = [point(1.5, 0.5), point(2.5, 1.0)];
        points[0].energy.error = 0.0;
        let table = Table::new(&points);
        assert!(
            table.to_string().lines().any(|line| line.contains("1.5000") && line.contains('–')),
            "{table}"
        );
        let agreement = table.energy_agreement().expect("the other point");
        assert!((agreement.rms - 1.0).abs() < 1e-9, "{agreement:?}");
    }

    #[test]
    fn no_points_make_no_verdict() {
        assert!(Table::new(&[]).to_string().ends_with("nothing to compare\n"));
    }
}
