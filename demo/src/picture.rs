//! A picture on its way to a PNG file: drawn at twice its size and averaged down, which smooths every edge.

use png::{BitDepth, ColorType, Encoder, EncodingError};
use std::io::Write;

/// Drawn pixels per final pixel, in each direction.
pub(crate) const OVERSAMPLING: u32 = 2;

/// An RGB canvas of `OVERSAMPLING` times the final width and height.
pub(crate) struct Picture {
    width: u32,
    height: u32,
    /// Rows of red, green, blue.
    pub(crate) canvas: Vec<u8>,
}

impl Picture {
    /// A blank canvas for a picture of a size in final pixels.
    pub(crate) fn new(width: u32, height: u32) -> Self {
        let [x, y] = [width, height].map(|side| (side * OVERSAMPLING) as usize);
        Self { width, height, canvas: vec![255; x * y * 3] }
    }

    /// The canvas's size in drawn pixels.
    pub(crate) fn canvas_size(&self) -> (u32, u32) {
        (self.width * OVERSAMPLING, self.height * OVERSAMPLING)
    }

    /// Averages the canvas down and writes it as a PNG.
    pub(crate) fn write(&self, to: impl Write) -> Result<(), EncodingError> {
        let mut encoder = Encoder::new(to, self.width, self.height);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.averaged())?;
        writer.finish()
    }

    fn averaged(&self) -> Vec<u8> {
        let [width, height, step] = [self.width, self.height, OVERSAMPLING].map(|n| n as usize);
        let stride = width * step * 3;
        let mut pixels = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                for channel in 0..3 {
                    let corner = y * step * stride + x * step * 3 + channel;
                    let sum: usize = (0..step * step)
                        .map(|k| usize::from(self.canvas[corner + k / step * stride + k % step * 3]))
                        .sum();
                    pixels.push(((sum + step * step / 2) / (step * step)) as u8);
                }
            }
        }
        pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_the_canvas_become_pixels() {
        let mut picture = Picture::new(2, 1);
        // The left pixel: three white quarters and one with no green; the right one: black.
        picture.canvas[1] = 0;
        for row in picture.canvas.chunks_mut(12) {
            row[6..].fill(0);
        }
        assert_eq!(picture.canvas_size(), (4, 2));
        assert_eq!(picture.averaged(), [255, 191, 255, 0, 0, 0]);
    }

    #[test]
    fn a_png_holds_the_pixels() {
        let mut picture = Picture::new(3, 2);
        picture.canvas.iter_mut().enumerate().for_each(|(k, byte)| *byte = (k * 7 % 251) as u8);
        let mut file = Vec::new();
        picture.write(&mut file).expect("writing to memory");
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a small picture")];
        let info = reader.next_frame(&mut pixels).expect("a frame");
        assert_eq!((info.width, info.height), (3, 2));
        assert_eq!(pixels, picture.averaged());
    }
}
