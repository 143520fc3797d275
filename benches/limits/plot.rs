//! Two plots as one SVG, legible on light and on dark.

use std::fmt::Write;

/// A line with its name and points.
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// A plot with both axes in powers of ten.
pub struct Plot {
    pub title: &'static str,
    pub across: &'static str,
    pub lines: Vec<Line>,
    /// The powers of ten at the ends of the axes.
    pub x: (i32, i32),
    pub y: (i32, i32),
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 58.0;
const TOP: f64 = 36.0;
const ACROSS: f64 = 340.0;
const DOWN: f64 = 200.0;

/// Blue, orange, green and violet that stand out on white and on near black.
const COLOURS: [&str; 4] = ["#3b82f6", "#ea7317", "#17a673", "#a855f7"];

pub fn draw(plots: &[Plot]) -> String {
    let width = WIDTH * plots.len() as f64;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" font-family="system-ui, sans-serif" font-size="11">
<style>text {{ fill: #57606a }} .title {{ font-size: 13px; font-weight: 600 }} .grid {{ stroke: #8b949e; stroke-opacity: .35 }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #b1bac4 }} }}</style>
"##
    );
    for (at, plot) in plots.iter().enumerate() {
        let _ = writeln!(svg, r#"<g transform="translate({} 0)">"#, WIDTH * at as f64);
        one(&mut svg, plot);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn one(svg: &mut String, plot: &Plot) {
    let place = |value: f64, (low, high): (i32, i32)| {
        (value.log10() - f64::from(low)) / f64::from(high - low)
    };
    let x = |value: f64| LEFT + ACROSS * place(value, plot.x);
    let y = |value: f64| TOP + DOWN * (1.0 - place(value, plot.y));
    let _ = writeln!(
        svg,
        r#"<text class="title" x="{LEFT}" y="20">{}</text>"#,
        plot.title
    );
    for power in plot.x.0..=plot.x.1 {
        let at = x(10_f64.powi(power));
        let (bottom, label) = (TOP + DOWN, number(power));
        let _ = writeln!(
            svg,
            r#"<path class="grid" d="M{at:.1} {TOP}V{bottom}"/><text x="{at:.1}" y="{}" text-anchor="middle">{label}</text>"#,
            bottom + 16.0
        );
    }
    for power in plot.y.0..=plot.y.1 {
        let at = y(10_f64.powi(power));
        let (right, label) = (LEFT + ACROSS, number(power));
        let _ = writeln!(
            svg,
            r#"<path class="grid" d="M{LEFT} {at:.1}H{right}"/><text x="{}" y="{:.1}" text-anchor="end">{label}</text>"#,
            LEFT - 6.0,
            at + 4.0
        );
    }
    let _ = writeln!(
        svg,
        r#"<text x="{}" y="{}" text-anchor="middle">{}</text>"#,
        LEFT + ACROSS / 2.0,
        TOP + DOWN + 34.0,
        plot.across
    );
    for (at, (line, colour)) in plot.lines.iter().zip(COLOURS).enumerate() {
        let points: Vec<_> = line
            .points
            .iter()
            .map(|(across, up)| format!("{:.1},{:.1}", x(*across), y(*up)))
            .collect();
        let (column, row) = ((at % 2) as f64, (at / 2) as f64);
        let (left, top) = (LEFT + column * 170.0, TOP + DOWN + 54.0 + row * 18.0);
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/><path d="M{left} {}h18" stroke="{colour}" stroke-width="3"/><text x="{}" y="{top}">{}</text>"#,
            points.join(" "),
            top - 4.0,
            left + 24.0,
            line.name
        );
    }
}

fn number(power: i32) -> String {
    match power {
        0.. => 10_u64.pow(power.unsigned_abs()).to_string(),
        _ => format!("0.{}1", "0".repeat(power.unsigned_abs() as usize - 1)),
    }
}
