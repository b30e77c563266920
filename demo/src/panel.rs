//! One column of the picture: a quantity against temperature, and below it the distance from its exact values.

use crate::blocking::Estimate;
use crate::chart::{Area, Chart, EXACT, SIMULATED, legend, line, mesh, px, text};
use crate::onsager::CRITICAL_TEMPERATURE;
use crate::plot::DrawError;
use plotters::chart::{ChartBuilder, SeriesLabelPosition};
use plotters::element::{Circle, DashedPathElement, ErrorBar, PathElement};
use plotters::prelude::{DashedLineSeries, LineSeries};
use plotters::style::{Color, RGBColor};
use std::ops::Range;

const INFINITE: RGBColor = RGBColor(60, 60, 60);
const CRITICAL: RGBColor = RGBColor(120, 120, 120);

/// Every colour that carries a meaning, for a test that all of them reach the picture.
#[cfg(test)]
pub(crate) const COLOURS: [(&str, RGBColor); 4] =
    [("simulated", SIMULATED), ("infinite", INFINITE), ("finite", EXACT), ("critical", CRITICAL)];

/// A quantity as simulated, and its two exact curves.
pub(crate) struct Curves<'a> {
    /// Rising, at least two.
    pub(crate) temperatures: &'a [f64],
    /// One for each temperature.
    pub(crate) simulated: Vec<Estimate>,
    /// May be infinite at the critical temperature.
    pub(crate) infinite: fn(f64) -> f64,
    pub(crate) finite: &'a dyn Fn(f64) -> f64,
}

/// A column of the picture.
pub(crate) struct Panel<'a> {
    pub(crate) title: String,
    pub(crate) size: u32,
    pub(crate) replicas: usize,
    /// Where the legend is out of the curves' way.
    pub(crate) legend: SeriesLabelPosition,
    pub(crate) curves: Curves<'a>,
}

impl Panel<'_> {
    pub(crate) fn draw(&self, area: &Area<'_>) -> Result<(), DrawError> {
        let (upper, lower) = area.split_vertically(area.dim_in_pixel().1 * 7 / 10);
        self.draw_quantity(&upper)?;
        self.draw_distance(&lower)
    }

    fn draw_quantity(&self, area: &Area<'_>) -> Result<(), DrawError> {
        let vertical = self.vertical_range();
        let mut builder = ChartBuilder::on(area);
        builder
            .margin_top(px(12))
            .margin_right(px(24))
            .margin_left(px(12))
            .caption(&self.title, text(20))
            .x_label_area_size(px(30))
            .y_label_area_size(px(76));
        let mut chart = builder.build_cartesian_2d(self.horizontal_range(), vertical.clone())?;
        mesh(&mut chart, ["", ""], [10, 8], [1, 1])?;

        let critical = [(CRITICAL_TEMPERATURE, vertical.start), (CRITICAL_TEMPERATURE, vertical.end)];
        chart
            .draw_series(DashedLineSeries::new(critical, px(2), px(3), line(CRITICAL, 1)))?
            .label(format!("critical temperature 2 / ln(1 + √2) = {CRITICAL_TEMPERATURE:.4}"))
            .legend(|(x, y)| {
                DashedPathElement::new(vec![(x, y), (x + px(30), y)], px(2), px(3), line(CRITICAL, 1))
            });
        let grid = self.grid();
        let finite = grid.iter().map(|&t| (t, (self.curves.finite)(t)));
        chart
            .draw_series(LineSeries::new(finite, line(EXACT, 2)))?
            .label(format!("exact, {0} × {0} torus (Kaufman)", self.size))
            .legend(|(x, y)| PathElement::new(vec![(x, y), (x + px(30), y)], line(EXACT, 2)));
        // Dashed, to show what it covers; in two branches, for it may leave the frame in between.
        for side in [-1.0, 1.0] {
            let branch: Vec<_> = grid
                .iter()
                .filter(|&&t| side * (t - CRITICAL_TEMPERATURE) > 0.0)
                .map(|&t| (t, (self.curves.infinite)(t)))
                .filter(|(_, y)| vertical.contains(y))
                .collect();
            let series = DashedLineSeries::new(branch, px(8), px(5), line(INFINITE, 2));
            let drawn = chart.draw_series(series)?;
            if side > 0.0 {
                drawn.label("exact, infinite lattice (Onsager)").legend(|(x, y)| {
                    let ends = vec![(x, y), (x + px(30), y)];
                    DashedPathElement::new(ends, px(8), px(5), line(INFINITE, 2))
                });
            }
        }
        let simulated = self.curves.temperatures.iter().zip(&self.curves.simulated).map(|(&t, e)| (t, *e));
        self.draw_points(&mut chart, simulated)?;
        legend(&mut chart, self.legend.clone())
    }

    fn draw_distance(&self, area: &Area<'_>) -> Result<(), DrawError> {
        let distances: Vec<(f64, Estimate)> = self
            .curves
            .temperatures
            .iter()
            .zip(&self.curves.simulated)
            .map(|(&t, e)| (t, Estimate { mean: e.mean - (self.curves.finite)(t), error: e.error }))
            .collect();
        let widest = distances.iter().fold(1e-6, |widest: f64, (_, e)| widest.max(e.mean.abs() + e.error));
        let range = -1.15 * widest..1.15 * widest;
        let mut builder = ChartBuilder::on(area);
        builder
            .margin_top(px(4))
            .margin_right(px(24))
            .margin_bottom(px(10))
            .margin_left(px(12))
            .x_label_area_size(px(48))
            .y_label_area_size(px(76));
        let mut chart = builder.build_cartesian_2d(self.horizontal_range(), range.clone())?;
        // Two digits of the largest distance.
        let decimals = (1.0 - widest.log10().floor()).clamp(0.0, 9.0) as usize;
        let title = format!("simulated − exact (L = {})", self.size);
        mesh(&mut chart, ["temperature  kT / J", &title], [10, 5], [1, decimals])?;
        let critical = [(CRITICAL_TEMPERATURE, range.start), (CRITICAL_TEMPERATURE, range.end)];
        chart.draw_series(DashedLineSeries::new(critical, px(2), px(3), line(CRITICAL, 1)))?;
        let ends = self.horizontal_range();
        chart.draw_series(LineSeries::new([(ends.start, 0.0), (ends.end, 0.0)], line(EXACT, 2)))?;
        self.draw_points(&mut chart, distances.into_iter())
    }

    fn draw_points(
        &self,
        chart: &mut Chart<'_, '_>,
        points: impl Iterator<Item = (f64, Estimate)> + Clone,
    ) -> Result<(), DrawError> {
        let thin = line(SIMULATED, 1);
        chart.draw_series(points.clone().map(|(t, e)| {
            ErrorBar::new_vertical(t, e.mean - e.error, e.mean, e.mean + e.error, thin, px(7) as u32)
        }))?;
        chart
            .draw_series(points.map(|(t, e)| Circle::new((t, e.mean), px(3), SIMULATED.filled())))?
            .label(format!("simulated, {} runs each (± standard error)", self.replicas))
            .legend(|(x, y)| Circle::new((x + px(15), y), px(3), SIMULATED.filled()));
        Ok(())
    }

    fn horizontal_range(&self) -> Range<f64> {
        let (first, last) =
            (self.curves.temperatures[0], self.curves.temperatures[self.curves.temperatures.len() - 1]);
        let margin = 0.03 * (last - first);
        first - margin..last + margin
    }

    /// Holds all points with their bars and the finite lattice's curve, with room for the infinite one to leave.
    fn vertical_range(&self) -> Range<f64> {
        let points = self.curves.simulated.iter().flat_map(|e| [e.mean - e.error, e.mean + e.error]);
        let curve = self.grid().into_iter().map(|t| (self.curves.finite)(t));
        let (low, high) = points
            .chain(curve)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
        let room = (high - low).max(1e-6);
        low - 0.06 * room..high + 0.22 * room
    }

    /// Temperatures at which curves are drawn: even ones, and more towards the critical temperature.
    fn grid(&self) -> Vec<f64> {
        let range = self.horizontal_range();
        let even = (0..=300).map(|k| range.start + (range.end - range.start) * f64::from(k) / 300.0);
        let near = (0..=100).flat_map(|k| {
            let offset = 0.1 * 10f64.powf(-0.05 * f64::from(k));
            [CRITICAL_TEMPERATURE - offset, CRITICAL_TEMPERATURE + offset]
        });
        let mut grid: Vec<f64> = even.chain(near).filter(|t| range.contains(t)).collect();
        grid.sort_by(f64::total_cmp);
        grid
    }
}
