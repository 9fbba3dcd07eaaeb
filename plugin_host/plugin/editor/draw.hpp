// What the editor is drawn with: rectangles, colours, text. Plain functions on a Cairo context.
//
// Threading: the host's thread for windows, and no other.
#pragma once
#include <cairo.h>

#include <cmath>
#include <string>

namespace attacca {

struct Box {
    double x = 0, y = 0, width = 0, height = 0;

    bool holds(double px, double py) const { return px >= x && px < x + width && py >= y && py < y + height; }
};

struct Colour {
    double red, green, blue;
};

namespace colours {
constexpr Colour GROUND{0.105, 0.113, 0.129}, PANEL{0.149, 0.160, 0.184}, EDGE{0.243, 0.262, 0.298};
constexpr Colour TEXT{0.90, 0.91, 0.92}, FAINT{0.60, 0.63, 0.67}, ACCENT{0.35, 0.72, 0.66}, WARM{0.93, 0.60, 0.36};
constexpr Colour ALARM{0.86, 0.34, 0.34}, GRIP{0.82, 0.84, 0.86};
}  // namespace colours

inline void ink(cairo_t* on, Colour colour, double alpha = 1.0) {
    cairo_set_source_rgba(on, colour.red, colour.green, colour.blue, alpha);
}

inline void round_path(cairo_t* on, Box box, double radius) {
    constexpr double QUARTER = M_PI / 2;
    const double right = box.x + box.width - radius, bottom = box.y + box.height - radius;
    cairo_new_sub_path(on);
    cairo_arc(on, right, box.y + radius, radius, -QUARTER, 0);
    cairo_arc(on, right, bottom, radius, 0, QUARTER);
    cairo_arc(on, box.x + radius, bottom, radius, QUARTER, 2 * QUARTER);
    cairo_arc(on, box.x + radius, box.y + radius, radius, 2 * QUARTER, 3 * QUARTER);
    cairo_close_path(on);
}

inline void fill(cairo_t* on, Box box, Colour colour, double radius = 4) {
    round_path(on, box, std::fmin(radius, std::fmin(box.width, box.height) / 2));
    ink(on, colour);
    cairo_fill(on);
}

inline void outline(cairo_t* on, Box box, Colour colour, double radius = 4) {
    round_path(on, {box.x + 0.5, box.y + 0.5, box.width - 1, box.height - 1}, radius);
    ink(on, colour);
    cairo_set_line_width(on, 1);
    cairo_stroke(on);
}

inline void use_font(cairo_t* on, double size, bool bold = false) {
    cairo_select_font_face(on, "Sans", CAIRO_FONT_SLANT_NORMAL, bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(on, size);
}

inline double width_of(cairo_t* on, const std::string& text) {
    cairo_text_extents_t extents;
    cairo_text_extents(on, text.c_str(), &extents);
    return extents.x_advance;
}

enum class Side { left, centre, right };

// One line of text in the middle of the box's height; cut off at its edge.
inline void write(cairo_t* on, Box box, const std::string& text, Colour colour, Side side = Side::left, double size = 12,
                  bool bold = false) {
    cairo_save(on);
    cairo_rectangle(on, box.x, box.y, box.width, box.height);
    cairo_clip(on);
    use_font(on, size, bold);
    const double spare = box.width - width_of(on, text);
    const double x = side == Side::left ? box.x : side == Side::right ? box.x + spare : box.x + spare / 2;
    ink(on, colour);
    cairo_move_to(on, x, box.y + box.height / 2 + size * 0.36);
    cairo_show_text(on, text.c_str());
    cairo_restore(on);
}

}  // namespace attacca
