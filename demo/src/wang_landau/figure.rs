//! The density of states as a picture, beside the exact one, and the specific heat that follows from it.
//!
//! ```text
//! ┌ ln g(E) ──────────────┐┌ specific heat ────────┐   points over the exact curve; what each window
//! │                       ││                       │   found, moved down
//! ├ relative error ───────┤├ difference ───────────┤   what the upper scale hides
//! └───────────────────────┘└───────────────────────┘
//! ```

use crate::chart::{Area, Chart, EXACT, SIMULATED, legend, line, mesh, px, text};
use crate::picture::Picture;
use crate::plot::{DrawError, PlotError, SIZE, use_font, write};
use crate::wang_landau::density::Density;
use crate::wang_landau::piece::Piece;
use plotters::backend::BitMapBackend;
use plotters::chart::{ChartBuilder, SeriesLabelPosition};
use plotters::drawing::IntoDrawingArea;
use plotters::element::{Circle, EmptyElement, PathElement};
use plotters::series::LineSeries;
use plotters::style::{Color, RGBColor, WHITE};
use std::ops::Range;
use std::path::Path;

/// Windows that overlap, and those that end where another begins, differ.
const WINDOWS: [RGBColor; 4] =
    [RGBColor(240, 190, 90), RGBColor(125, 200, 150), RGBColor(225, 150, 190), RGBColor(150, 170, 230)];
/// By how much they are set off below the curve, in turn, as fractions of its height.
const SET_OFF: [f64; 2] = [0.06, 0.12];
/// Temperatures of the specific heat, in units of J/k_B, and how many steps between them are points and are drawn as a curve.
const TEMPERATURES: (f64, f64) = (1.0, 4.0);
const STEPS: (u32, u32) = (30, 300);

type Line = Vec<(f64, f64)>;

/// A quantity above, its error below.
struct Column {
    title: String,
    horizontal: &'static str,
    /// Of the upper and of the lower chart.
    vertical: [&'static str; 2],
    /// Decimals of the labels at the horizontal axis and, above, at the vertical one.
    decimals: [usize; 2],
    legend: SeriesLabelPosition,
    /// What the points and the curve are.
    names: [&'static str; 2],
    exact: Line,
    points: Line,
    errors: Line,
    /// What each window found, and its error.
    windows: Vec<[Line; 2]>,
}

/// Draws a density of states, the pieces it was joined from and the exact one into a PNG file, replacing it if it exists.
///
/// # Errors
/// [`PlotError::Energies`], if the energies are not the exact ones; others tell of the file.
pub fn save(density: &Density, pieces: &[Piece], exact: &Density, path: &Path) -> Result<(), PlotError> {
    write(&draw(density, pieces, exact)?, path)
}

fn draw(density: &Density, pieces: &[Piece], exact: &Density) -> Result<Picture, PlotError> {
    let got = density.ln_states.iter().filter(|ln| ln.is_finite()).count();
    if density.size != exact.size || density.energies != exact.energies || got != exact.energies.len() {
        return Err(PlotError::Energies { wanted: exact.energies.len(), got });
    }
    use_font();
    let mut picture = Picture::new(SIZE.0, SIZE.1);
    let canvas_size = picture.canvas_size();
    {
        let canvas = BitMapBackend::with_buffer(&mut picture.canvas, canvas_size).into_drawing_area();
        canvas.fill(&WHITE)?;
        let (left, right) = canvas.split_horizontally(canvas_size.0 / 2);
        states(density, pieces, exact).draw(&left)?;
        specific_heat(density, exact).draw(&right)?;
        canvas.present()?;
    }
    Ok(picture)
}

/// ln g against E.
fn states(density: &Density, pieces: &[Piece], exact: &Density) -> Column {
    let place = |energy: &f64| exact.energies.iter().position(|known| known == energy);
    let line =
        |values: &[f64]| -> Line { exact.energies.iter().copied().zip(values.iter().copied()).collect() };
    // In per cent of the exact value.
    let error = |found: f64, k: usize| 100.0 * (found / exact.ln_states[k] - 1.0);
    let errors: Vec<f64> = density.ln_states.iter().enumerate().map(|(k, found)| error(*found, k)).collect();
    let window = |piece: &Piece| {
        let found: Vec<(usize, f64)> = piece
            .energies
            .iter()
            .zip(&piece.ln_states)
            .filter_map(|(energy, ln)| Some((place(energy)?, *ln)))
            .collect();
        let shift =
            found.iter().map(|(k, ln)| density.ln_states[*k] - ln).sum::<f64>() / found.len().max(1) as f64;
        [
            found.iter().map(|(k, ln)| (exact.energies[*k], ln + shift)).collect(),
            found.iter().map(|(k, ln)| (exact.energies[*k], error(ln + shift, *k))).collect(),
        ]
    };
    Column {
        title: format!("Density of states of the {0} × {0} Ising model", density.size),
        horizontal: "energy  E / J",
        vertical: ["ln g", "relative error of ln g / %"],
        decimals: [0, 0],
        legend: SeriesLabelPosition::LowerMiddle,
        names: ["Wang–Landau, windows joined", "exact (transfer matrix)"],
        exact: line(&exact.ln_states),
        points: line(&density.ln_states),
        errors: line(&errors),
        windows: pieces.iter().map(window).collect(),
    }
}

/// The specific heat against T.
fn specific_heat(density: &Density, exact: &Density) -> Column {
    let (from, to) = TEMPERATURES;
    let temperatures =
        |steps: u32| (0..=steps).map(move |k| from + (to - from) * f64::from(k) / f64::from(steps));
    let curve = |of: &Density, steps| -> Line {
        temperatures(steps).map(|t| (t, of.averages(t).specific_heat)).collect()
    };
    let points = curve(density, STEPS.0);
    let difference = |(t, found): &(f64, f64)| (*t, found - exact.averages(*t).specific_heat);
    Column {
        title: format!("Specific heat per site of the {0} × {0} Ising model", density.size),
        horizontal: "temperature  kT / J",
        vertical: ["C / k", "Wang–Landau − exact"],
        decimals: [1, 1],
        legend: SeriesLabelPosition::UpperRight,
        names: ["from the joined g(E)", "from the exact g(E)"],
        exact: curve(exact, STEPS.1),
        errors: points.iter().map(difference).collect(),
        points,
        windows: Vec::new(),
    }
}

impl Column {
    fn draw(&self, area: &Area<'_>) -> Result<(), DrawError> {
        let (upper, lower) = area.split_vertically(area.dim_in_pixel().1 * 7 / 10);
        self.draw_quantity(&upper)?;
        self.draw_error(&lower)
    }

    fn draw_quantity(&self, area: &Area<'_>) -> Result<(), DrawError> {
        let mut builder = ChartBuilder::on(area);
        builder
            .margin_top(px(12))
            .margin_right(px(24))
            .margin_left(px(12))
            .caption(&self.title, text(20))
            .x_label_area_size(px(30))
            .y_label_area_size(px(76));
        let vertical = range([&self.exact, &self.points], if self.windows.is_empty() { 0.06 } else { 0.2 });
        let mut chart = builder.build_cartesian_2d(self.horizontal_range(), vertical.clone())?;
        mesh(&mut chart, ["", self.vertical[0]], [10, 8], self.decimals)?;
        for (k, [found, _]) in self.windows.iter().enumerate() {
            let down = SET_OFF[k % SET_OFF.len()] * (vertical.end - vertical.start);
            let below = found.iter().map(|(x, y)| (*x, y - down));
            let drawn = chart.draw_series(LineSeries::new(below, line(WINDOWS[k % WINDOWS.len()], 4)))?;
            if k == 0 {
                drawn.label(format!("what each of {} windows found, moved down", self.windows.len())).legend(
                    |(x, y)| {
                        let part = |k: i32| {
                            let ends = vec![
                                (px(15 * (k % 2)), px(3 * k - 5)),
                                (px(15 * (k % 2) + 15), px(3 * k - 5)),
                            ];
                            PathElement::new(ends, line(WINDOWS[k as usize], 4))
                        };
                        EmptyElement::at((x, y)) + part(0) + part(1) + part(2) + part(3)
                    },
                );
            }
        }
        chart
            .draw_series(LineSeries::new(self.exact.iter().copied(), line(EXACT, 2)))?
            .label(self.names[1])
            .legend(|(x, y)| PathElement::new(vec![(x, y), (x + px(30), y)], line(EXACT, 2)));
        draw_points(&mut chart, &self.points, self.names[0])?;
        legend(&mut chart, self.legend.clone())
    }

    fn draw_error(&self, area: &Area<'_>) -> Result<(), DrawError> {
        let lines = self.windows.iter().map(|window| &window[1]).chain([&self.errors]);
        let widest = lines.flatten().fold(1e-9, |widest: f64, (_, y)| widest.max(y.abs()));
        let vertical = -1.15 * widest..1.15 * widest;
        let mut builder = ChartBuilder::on(area);
        builder
            .margin_top(px(4))
            .margin_right(px(24))
            .margin_bottom(px(10))
            .margin_left(px(12))
            .x_label_area_size(px(48))
            .y_label_area_size(px(76));
        let mut chart = builder.build_cartesian_2d(self.horizontal_range(), vertical)?;
        // Two digits of the largest error.
        let decimals = (1.0 - widest.log10().floor()).clamp(0.0, 9.0) as usize;
        mesh(&mut chart, [self.horizontal, self.vertical[1]], [10, 5], [self.decimals[0], decimals])?;
        let ends = self.horizontal_range();
        chart.draw_series(LineSeries::new([(ends.start, 0.0), (ends.end, 0.0)], line(EXACT, 2)))?;
        for (k, [_, errors]) in self.windows.iter().enumerate() {
            chart
                .draw_series(LineSeries::new(errors.iter().copied(), line(WINDOWS[k % WINDOWS.len()], 3)))?;
        }
        draw_points(&mut chart, &self.errors, "")
    }

    fn horizontal_range(&self) -> Range<f64> {
        let (first, last) = (self.exact[0].0, self.exact[self.exact.len() - 1].0);
        let margin = 0.03 * (last - first);
        first - margin..last + margin
    }
}

fn draw_points(chart: &mut Chart<'_, '_>, points: &Line, name: &str) -> Result<(), DrawError> {
    let drawn = chart.draw_series(points.iter().map(|at| Circle::new(*at, px(3), SIMULATED.filled())))?;
    if !name.is_empty() {
        drawn.label(name).legend(|(x, y)| Circle::new((x + px(15), y), px(3), SIMULATED.filled()));
    }
    Ok(())
}

/// What the values span, with room below, as a fraction of it, and above.
fn range(lines: [&Line; 2], below: f64) -> Range<f64> {
    let values = lines.into_iter().flatten().map(|(_, y)| *y);
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
    let room = (high - low).max(1e-6);
    low - below * room..high + 0.1 * room
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wang_landau::{Parameters, exact, walk};

    #[test]
    fn a_picture_is_saved_and_shows_every_element() {
        let parameters = Parameters {
            size: 4,
            bins: 3,
            overlap: 0.5,
            flatness: 0.8,
            ln_f_final: 1e-4,
            sweeps_max: 100_000,
        };
        let pieces: Vec<Piece> =
            parameters.prepare().unwrap().iter().map(|window| walk(window, 5).unwrap()).collect();
        let density = Density::join(4, &pieces).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("states.png");
        save(&density, &pieces, &exact(4).unwrap().density(), &path).unwrap();
        let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), SIZE);
        for colour in [SIMULATED, EXACT].into_iter().chain(WINDOWS.into_iter().take(pieces.len())) {
            let count = pixels.chunks(3).filter(|pixel| *pixel == [colour.0, colour.1, colour.2]).count();
            assert!(count > 100, "{colour:?}: {count} pixels");
        }
    }

    #[test]
    fn errors_are_in_per_cent_and_a_window_is_shifted_to_where_it_was_joined() {
        let exact = exact(4).unwrap().density();
        let off =
            Density { ln_states: exact.ln_states.iter().map(|ln| 1.02 * ln).collect(), ..exact.clone() };
        let piece = Piece {
            energies: off.energies[2..6].to_vec(),
            ln_states: off.ln_states[2..6].iter().map(|ln| ln - 50.0).collect(),
            sweeps: 1,
            converged: true,
        };
        let column = states(&off, &[piece], &exact);
        assert_eq!((column.errors.len(), column.windows.len()), (15, 1));
        let [found, errors] = &column.windows[0];
        assert!(errors.iter().chain(&column.errors).all(|(_, error)| (error - 2.0).abs() < 1e-9));
        assert!(found.iter().zip(&column.points[2..6]).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-12));
    }

    #[test]
    fn what_is_not_the_same_lattice_is_refused() {
        let [four, six] = [4, 6].map(|size| exact(size).unwrap().density());
        assert!(matches!(draw(&four, &[], &six), Err(PlotError::Energies { wanted: 35, got: 15 })));
        let mut other = four.clone();
        other.energies[1] = -28.0;
        assert!(matches!(draw(&other, &[], &four), Err(PlotError::Energies { .. })));
        let mut broken = four.clone();
        broken.ln_states[3] = f64::NAN;
        assert!(matches!(draw(&broken, &[], &four), Err(PlotError::Energies { wanted: 15, got: 14 })));
        assert!(draw(&four, &[], &four).is_ok(), "without errors, and without pieces");
    }
}
