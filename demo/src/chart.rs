//! What all charts of the demo's pictures look like.

use crate::picture::OVERSAMPLING;
use crate::plot::{DrawError, FONT};
use plotters::chart::{ChartContext, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::DrawingArea;
use plotters::prelude::{BitMapBackend, Cartesian2d};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE};

/// What was simulated.
pub(crate) const SIMULATED: RGBColor = RGBColor(200, 60, 30);
/// What it should be.
pub(crate) const EXACT: RGBColor = RGBColor(30, 110, 190);
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(230, 230, 230);

pub(crate) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
pub(crate) type Chart<'c, 'a> =
    ChartContext<'c, BitMapBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Axes and grid; titles, numbers of labels and of their decimals are those of the horizontal axis, then of the vertical one.
pub(crate) fn mesh(
    chart: &mut Chart<'_, '_>,
    titles: [&str; 2],
    labels: [usize; 2],
    decimals: [usize; 2],
) -> Result<(), DrawError> {
    let number = |value: f64, decimals: usize| minus(format!("{value:.decimals$}"));
    chart
        .configure_mesh()
        .x_desc(titles[0])
        .y_desc(titles[1])
        .x_labels(labels[0])
        .y_labels(labels[1])
        .x_label_formatter(&|x| number(*x, decimals[0]))
        .y_label_formatter(&|y| number(*y, decimals[1]))
        .bold_line_style(line(GRID, 1))
        .max_light_lines(0)
        .axis_style(line(INK, 1))
        .label_style(text(14))
        .axis_desc_style(text(15))
        .set_all_tick_mark_size(px(5))
        .draw()
}

/// The names of the series that have one.
pub(crate) fn legend<'c, 'a: 'c>(
    chart: &mut Chart<'c, 'a>,
    position: SeriesLabelPosition,
) -> Result<(), DrawError> {
    chart
        .configure_series_labels()
        .position(position)
        .margin(px(14))
        .legend_area_size(px(42))
        .background_style(WHITE.mix(0.9))
        .border_style(line(GRID, 1))
        .label_font(text(14))
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
pub(crate) fn px(pixels: i32) -> i32 {
    pixels * OVERSAMPLING as i32
}

pub(crate) fn line(colour: RGBColor, width: i32) -> ShapeStyle {
    colour.stroke_width(px(width) as u32)
}

pub(crate) fn text(height: i32) -> TextStyle<'static> {
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
