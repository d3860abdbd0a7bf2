//! The overview as a picture: [`svg`].

use std::fmt::Write;

use crate::{
    overview::Overview,
    report::{bare, times},
};

/// One panel for each subject; in it one group of bars for each client, one bar for each number of
/// servers. A bar leads from 1, where redis-rs by hand is, to the figure, on a logarithmic scale.
pub(crate) fn svg(overview: &Overview) -> String {
    let (clients, subjects) = (overview.clients(), overview.subjects());
    let mut bars = String::new();
    let mut top = MARGIN;
    for subject in subjects {
        let cells: Vec<_> = clients
            .iter()
            .map(|client| (*client, overview.cell(client, subject)))
            .filter(|(_, cell)| !cell.is_empty())
            .collect();
        let axis = Axis::over(cells.iter().flat_map(|(_, cell)| cell.iter().map(|bar| bar.1)));
        line(&mut bars, 0.0, top + LINE, "start", &format!("{subject} (redis-rs by hand = 1)"));
        top += 2.0 * LINE;
        let begun = top;
        for (client, cell) in cells {
            line(&mut bars, LEFT - GAP, top + LINE, "end", client);
            for (index, (servers, figure)) in cell.iter().enumerate() {
                if !figure.is_finite() {
                    continue;
                }
                let (from, to) = axis.bar(*figure);
                let y = top + BAR * index as f64;
                let (width, height) = ((to - from).max(1.0), BAR - 1.0);
                let shade = SHADES[index % SHADES.len()];
                let label = format!("{client}, N = {servers}: {}", times(*figure));
                // Writing to a text cannot fail.
                let _ = writeln!(
                    bars,
                    "<rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
                     height=\"{height:.1}\" fill=\"{shade}\"><title>{}</title></rect>",
                    escaped(&label),
                );
            }
            let figures: Vec<_> = cell.iter().map(|(_, figure)| bare(*figure)).collect();
            line(&mut bars, LEFT + WIDTH + GAP, top + LINE, "start", &figures.join(" / "));
            top += BAR * cell.len() as f64 + GAP;
        }
        let one = axis.place(1.0);
        let _ = writeln!(
            bars,
            "<path d=\"M{one:.1} {begun:.1}V{top:.1}\" stroke=\"#333\" stroke-width=\"1\"/>"
        );
        top += LINE;
    }
    let (width, height) = (LEFT + WIDTH + RIGHT, top + MARGIN);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{bars}</svg>\n"
    )
}

/// A logarithmic scale that has a place for 1.
struct Axis {
    least: f64,
    most: f64,
}

impl Axis {
    fn over(figures: impl Iterator<Item = f64>) -> Self {
        let figures = figures.filter(|figure| figure.is_finite() && *figure > 0.0);
        let (least, most) = figures.fold((0.5_f64, 2.0_f64), |(least, most), figure| {
            (least.min(figure), most.max(figure))
        });
        Self { least: least.ln(), most: most.ln() }
    }

    fn place(&self, figure: f64) -> f64 {
        let part = (figure.max(f64::MIN_POSITIVE).ln() - self.least) / (self.most - self.least);
        LEFT + WIDTH * part.clamp(0.0, 1.0)
    }

    fn bar(&self, figure: f64) -> (f64, f64) {
        let (one, other) = (self.place(1.0), self.place(figure));
        (one.min(other), one.max(other))
    }
}

fn line(text: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let y = y - 3.0;
    let x = x.max(MARGIN);
    // Writing to a text cannot fail.
    let _ = writeln!(
        text,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escaped(words)
    );
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const MARGIN: f64 = 12.0;
const LEFT: f64 = 200.0;
const WIDTH: f64 = 420.0;
const RIGHT: f64 = 160.0;
const LINE: f64 = 16.0;
const BAR: f64 = 7.0;
const GAP: f64 = 8.0;
/// For one server, three, and five.
const SHADES: [&str; 3] = ["#9ecae1", "#4292c6", "#08519c"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::Mark;

    #[test]
    fn a_figure_above_one_goes_to_the_right_and_one_below_to_the_left() {
        let axis = Axis::over([0.25, 4.0].into_iter());
        let one = axis.place(1.0);
        assert!((one - (LEFT + WIDTH / 2.0)).abs() < 1e-6, "{one}");
        assert_eq!(axis.bar(4.0), (one, LEFT + WIDTH));
        assert_eq!(axis.bar(0.25), (LEFT, one));
    }

    #[test]
    fn each_figure_has_its_bar_and_words_do_not_become_marks() {
        let mut overview = Overview::default();
        for (servers, times) in [(1, 2.0), (3, 0.5), (5, f64::NAN)] {
            overview.mark(Mark { client: "a<b", subject: "latency".into(), servers, times });
        }
        let svg = svg(&overview);
        assert_eq!(svg.matches("<rect x=").count(), 2, "{svg}");
        assert!(svg.contains("a&lt;b, N = 3: 0.50 ×"), "{svg}");
        assert!(svg.contains("2.00 / 0.50 / –"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("a<b"), "{svg}");
    }
}
