//! One column of the picture: a quantity against temperature, and below it the distance from its exact values.

use crate::blocking::Estimate;
use crate::onsager::CRITICAL_TEMPERATURE;
use crate::picture::OVERSAMPLING;
use crate::plot::{DrawError, FONT};
use plotters::chart::{ChartBuilder, ChartContext, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::DrawingArea;
use plotters::element::{Circle, DashedPathElement, ErrorBar, PathElement};
use plotters::prelude::{BitMapBackend, Cartesian2d, DashedLineSeries, LineSeries};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE};
use std::ops::Range;

const SIMULATED: RGBColor = RGBColor(200, 60, 30);
const INFINITE: RGBColor = RGBColor(60, 60, 60);
const FINITE: RGBColor = RGBColor(30, 110, 190);
const CRITICAL: RGBColor = RGBColor(120, 120, 120);
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(230, 230, 230);

/// Every colour that carries a meaning, for a test that all of them reach the picture.
#[cfg(test)]
pub(crate) const COLOURS: [(&str, RGBColor); 4] =
    [("simulated", SIMULATED), ("infinite", INFINITE), ("finite", FINITE), ("critical", CRITICAL)];

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
type Chart<'c, 'a> = ChartContext<'c, BitMapBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

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
        mesh(&mut chart, "", "", 8, 1)?;

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
            .draw_series(LineSeries::new(finite, line(FINITE, 2)))?
            .label(format!("exact, {0} × {0} torus (Kaufman)", self.size))
            .legend(|(x, y)| PathElement::new(vec![(x, y), (x + px(30), y)], line(FINITE, 2)));
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
        self.draw_legend(&mut chart)
    }

    fn draw_legend<'c, 'a: 'c>(&self, chart: &mut Chart<'c, 'a>) -> Result<(), DrawError> {
        chart
            .configure_series_labels()
            .position(self.legend.clone())
            .margin(px(14))
            .legend_area_size(px(42))
            .background_style(WHITE.mix(0.9))
            .border_style(line(GRID, 1))
            .label_font(text(14))
            .draw()
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
        mesh(&mut chart, "temperature  kT / J", &title, 5, decimals)?;
        let critical = [(CRITICAL_TEMPERATURE, range.start), (CRITICAL_TEMPERATURE, range.end)];
        chart.draw_series(DashedLineSeries::new(critical, px(2), px(3), line(CRITICAL, 1)))?;
        let ends = self.horizontal_range();
        chart.draw_series(LineSeries::new([(ends.start, 0.0), (ends.end, 0.0)], line(FINITE, 2)))?;
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

fn mesh(
    chart: &mut Chart<'_, '_>,
    horizontal: &str,
    vertical: &str,
    labels: usize,
    decimals: usize,
) -> Result<(), DrawError> {
    chart
        .configure_mesh()
        .x_desc(horizontal)
        .y_desc(vertical)
        .x_labels(10)
        .y_labels(labels)
        .x_label_formatter(&|t| format!("{t:.1}"))
        .y_label_formatter(&|y| minus(format!("{y:.decimals$}")))
        .bold_line_style(line(GRID, 1))
        .max_light_lines(0)
        .axis_style(line(INK, 1))
        .label_style(text(14))
        .axis_desc_style(text(15))
        .set_all_tick_mark_size(px(5))
        .draw()
}

/// A number with a true minus sign, and no sign at a zero.
fn minus(number: String) -> String {
    match number.strip_prefix('-') {
        Some(digits) if digits.chars().all(|c| matches!(c, '0' | '.')) => digits.to_owned(),
        Some(digits) => format!("−{digits}"),
        None => number,
    }
}

/// Final pixels in canvas pixels.
fn px(pixels: i32) -> i32 {
    pixels * OVERSAMPLING as i32
}

fn line(colour: RGBColor, width: i32) -> ShapeStyle {
    colour.stroke_width(px(width) as u32)
}

fn text(height: i32) -> TextStyle<'static> {
    (FONT, px(height)).into_font().color(&INK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minus_signs_are_typographic_and_absent_at_zero() {
        assert_eq!(["-1.5", "-0.0", "0.0", "2"].map(|n| minus(n.to_owned())), ["−1.5", "0.0", "0.0", "2"]);
    }
}
