//! Windows of a range that overlap, so that what is computed in each can be joined.

use thiserror::Error;

/// There is no such bin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no bin {bin}: {edges} edges make {} bins, counted from 0", edges.saturating_sub(1))]
pub struct NoSuchBin {
    /// The bin asked for.
    pub bin: usize,
    /// How many edges there are.
    pub edges: usize,
}

/// The `bin`-th of the bins between `edges`, made longer on each side by a fraction of its *neighbour's* width. At the ends of
/// the whole range, and where there is one bin only, nothing is added. `fraction` is taken to lie between 0 and 1.
///
/// # Errors
/// [`NoSuchBin`].
///
/// ```
/// # use phalanx::simulation::extend_bin;
/// let edges = [0.0, 10.0, 20.0, 40.0];
/// assert_eq!(extend_bin(&edges, 0, 0.05)?, (0.0, 10.5));
/// assert_eq!(extend_bin(&edges, 1, 0.05)?, (9.5, 21.0));
/// assert_eq!(extend_bin(&edges, 2, 0.05)?, (19.5, 40.0));
/// # Ok::<(), phalanx::simulation::NoSuchBin>(())
/// ```
pub fn extend_bin(edges: &[f64], bin: usize, fraction: f64) -> Result<(f64, f64), NoSuchBin> {
    let Some(&[low, high]) = edges.get(bin..).and_then(|rest| rest.first_chunk()) else {
        return Err(NoSuchBin { bin, edges: edges.len() });
    };
    let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
    let below = bin.checked_sub(1).map_or(0.0, |before| low - edges[before]);
    let above = edges.get(bin + 2).map_or(0.0, |after| after - high);
    Ok((low - fraction * below, high + fraction * above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_grows_by_a_fraction_of_the_neighbours_width() {
        let edges = [0.0, 10.0, 20.0, 40.0];
        let all = |fraction| [0, 1, 2].map(|bin| extend_bin(&edges, bin, fraction).unwrap());
        assert_eq!(all(0.05), [(0.0, 10.5), (9.5, 21.0), (19.5, 40.0)]);
        assert_eq!(all(0.5), [(0.0, 15.0), (5.0, 30.0), (15.0, 40.0)]);
        assert_eq!(all(7.0), all(1.0), "no bin reaches beyond its neighbour");
        assert_eq!(all(-1.0), all(0.0));
        assert_eq!(all(f64::NAN), all(0.0));
    }

    #[test]
    fn one_bin_stays_as_it_is() {
        assert_eq!(extend_bin(&[-1.0, 1.0], 0, 0.5), Ok((-1.0, 1.0)));
    }

    #[test]
    fn bins_that_are_not_there_are_named() {
        for (edges, bin) in [(&[][..], 0), (&[1.0], 0), (&[0.0, 1.0], 1), (&[0.0, 1.0, 2.0], usize::MAX)] {
            let error = extend_bin(edges, bin, 0.1).unwrap_err();
            assert_eq!(error, NoSuchBin { bin, edges: edges.len() });
        }
        assert!(
            extend_bin(&[0.0, 1.0, 2.0], 2, 0.1).unwrap_err().to_string().contains("3 edges make 2 bins")
        );
    }
}
