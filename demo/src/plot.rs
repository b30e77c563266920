//! The results as a picture: energy and specific heat against temperature, above their distances from the exact values.
//!
//! ```text
//! ┌ energy per site ──────┐┌ specific heat ────────┐   points with error bars, the exact curve of the
//! │                       ││                       │   infinite lattice and of this one, and Tc
//! ├ simulated − exact ────┤├ simulated − exact ────┤   what the upper scale hides: the error bars
//! └───────────────────────┘└───────────────────────┘
//! ```
//!
//! The text is DejaVu Sans from `assets/`, drawn by `ab_glyph`: neither fontconfig nor freetype is needed, and the
//! picture looks the same everywhere. (No crate of the workspace may switch on plotters' `ttf` feature: it would take
//! precedence and look for the system's fonts.)

use crate::blocking::Estimate;
use crate::kaufman;
use crate::onsager;
use crate::panel::{Curves, Panel};
use crate::picture::Picture;
use crate::point::Point;
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::chart::SeriesLabelPosition;
use plotters::drawing::{DrawingAreaErrorKind, IntoDrawingArea};
use plotters::style::{FontStyle, WHITE, register_font};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Once;
use thiserror::Error;

/// The picture's size in pixels.
pub const SIZE: (u32, u32) = (1600, 800);

/// The name under which the font is known to plotters.
pub(crate) const FONT: &str = "DejaVu Sans";

static FONT_FILE: &[u8] = include_bytes!("../assets/DejaVuSans.ttf");

/// What drawing on a canvas in memory may say.
pub(crate) type DrawError = DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>;

/// Why a picture could not be made.
#[derive(Debug, Error)]
pub enum PlotError {
    /// The results hold no temperature range.
    #[error(
        "a plot against temperature needs points of one lattice size at two temperatures or more, got {0}"
    )]
    Points(String),
    /// A density of states and an exact one that is not of the same lattice, or lacks energies.
    #[error("a plot of a density of states needs as many energies as the exact one has, {wanted}, got {got}")]
    Energies {
        /// Those of the exact one.
        wanted: usize,
        /// Those of the other, as far as they are finite.
        got: usize,
    },
    /// A defect of this program: nothing outside it takes part in drawing.
    #[error("the picture could not be drawn: {0}")]
    Draw(#[from] DrawError),
    /// The file could not be made.
    #[error("cannot write the picture {}: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file could not be filled.
    #[error("cannot write the picture {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: png::EncodingError,
    },
}

/// Draws points, sorted by temperature as `combine` returns them, into a PNG file, replacing it if it exists.
pub fn save(points: &[Point], path: &Path) -> Result<(), PlotError> {
    write(&draw(points)?, path)
}

pub(crate) fn write(picture: &Picture, path: &Path) -> Result<(), PlotError> {
    let file = File::create(path).map_err(|source| PlotError::Create { path: path.to_owned(), source })?;
    picture.write(BufWriter::new(file)).map_err(|source| PlotError::Write { path: path.to_owned(), source })
}

fn draw(points: &[Point]) -> Result<Picture, PlotError> {
    let size = lattice_size(points)?;
    use_font();
    let mut picture = Picture::new(SIZE.0, SIZE.1);
    let canvas_size = picture.canvas_size();
    {
        let canvas = BitMapBackend::with_buffer(&mut picture.canvas, canvas_size).into_drawing_area();
        canvas.fill(&WHITE)?;
        let (left, right) = canvas.split_horizontally(canvas_size.0 / 2);
        let replicas = points.iter().map(|point| point.replicas).max().unwrap_or(0);
        let panel = |title: &str, legend, curves| Panel {
            title: format!("{title} of the {size} × {size} Ising model"),
            size,
            replicas,
            legend,
            curves,
        };
        let temperatures: Vec<f64> = points.iter().map(|point| point.temperature).collect();
        let energies = Curves {
            temperatures: &temperatures,
            simulated: points.iter().map(|point| point.energy).collect(),
            infinite: onsager::energy,
            finite: &|temperature| kaufman::exact(size, temperature).energy,
        };
        panel("Energy per site", SeriesLabelPosition::LowerRight, energies).draw(&left)?;
        let heats = Curves {
            temperatures: &temperatures,
            simulated: points.iter().map(|point| point.specific_heat).collect(),
            infinite: onsager::specific_heat,
            finite: &|temperature| kaufman::exact(size, temperature).specific_heat,
        };
        panel("Specific heat per site", SeriesLabelPosition::UpperRight, heats).draw(&right)?;
        canvas.present()?;
    }
    Ok(picture)
}

/// The one lattice size of plottable points.
fn lattice_size(points: &[Point]) -> Result<u32, PlotError> {
    let mut sizes: Vec<u32> = points.iter().map(|point| point.size).collect();
    sizes.dedup();
    let rising = points.is_sorted_by(|a, b| a.temperature < b.temperature);
    let finite = |estimate: &Estimate| estimate.mean.is_finite() && estimate.error.is_finite();
    let drawable = points.iter().all(|point| finite(&point.energy) && finite(&point.specific_heat));
    match sizes[..] {
        [size] if points.len() > 1 && rising && drawable => Ok(size),
        _ => Err(PlotError::Points(format!(
            "{} points of {} sizes ({}, {})",
            points.len(),
            sizes.len(),
            if rising { "by rising temperature" } else { "not by rising temperature" },
            if drawable { "all finite" } else { "not all finite" }
        ))),
    }
}

pub(crate) fn use_font() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        if register_font(FONT, FontStyle::Normal, FONT_FILE).is_err() {
            unreachable!("the font in assets/ is a valid TrueType file");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(temperatures: &[f64]) -> Vec<Point> {
        temperatures
            .iter()
            .map(|&temperature| {
                let exact = kaufman::exact(32, temperature);
                Point {
                    size: 32,
                    temperature,
                    replicas: 4,
                    energy: Estimate { mean: exact.energy, error: 0.001 },
                    magnetisation: Estimate { mean: 0.5, error: 0.1 },
                    specific_heat: Estimate { mean: exact.specific_heat, error: 0.02 },
                    binder: Estimate { mean: 0.5, error: 0.1 },
                }
            })
            .collect()
    }

    #[test]
    fn a_picture_is_saved_and_shows_every_element() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("ising.png");
        save(&points(&[1.5, 2.0, 2.2, onsager::CRITICAL_TEMPERATURE, 2.4, 3.5]), &path).expect("drawn");
        let file = std::io::BufReader::new(File::open(&path).expect("the file"));
        let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("of known size")];
        let info = reader.next_frame(&mut pixels).expect("a frame");
        assert_eq!((info.width, info.height), SIZE);
        for (name, colour) in crate::panel::COLOURS {
            let count = pixels.chunks(3).filter(|pixel| *pixel == [colour.0, colour.1, colour.2]).count();
            assert!(count > 100, "{name}: {count} pixels");
        }
    }

    #[test]
    fn frozen_points_without_error_bars_can_be_drawn() {
        let mut frozen = points(&[0.1, 0.2]);
        for point in &mut frozen {
            (point.energy, point.specific_heat) =
                (Estimate { mean: -2.0, error: 0.0 }, Estimate { mean: 0.0, error: 0.0 });
        }
        assert!(draw(&frozen).is_ok());
    }

    #[test]
    fn what_cannot_be_plotted_is_refused() {
        assert!(matches!(draw(&[]), Err(PlotError::Points(_))));
        assert!(matches!(draw(&points(&[2.0])), Err(PlotError::Points(_))));
        assert!(matches!(draw(&points(&[2.0, 1.0])), Err(PlotError::Points(_))));
        let mut broken = points(&[1.0, 2.0]);
        broken[1].energy.mean = f64::NAN;
        assert!(matches!(draw(&broken), Err(PlotError::Points(_))));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error =
            save(&points(&[1.5, 3.5]), &folder.path().join("absent/ising.png")).expect_err("no folder");
        assert!(error.to_string().contains("absent"), "{error}");
    }
}
