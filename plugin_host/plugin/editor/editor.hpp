// The plugin's window: words, knobs, how many bars are ready, takes, hold, and the way to the engine's page.
//
// Threading: all of it on the host's thread for windows. It knows the plugin by parameters and states alone, as the
// host shows them; the audio thread never hears of it. Nothing waits: the page opens in a process of its own.
#pragma once
#include <cstdlib>
#include <vector>

#include "../parameters.hpp"
#include "DistrhoUI.hpp"
#include "draw.hpp"
#include "page_link.hpp"
#include "text_line.hpp"

START_NAMESPACE_DISTRHO

class AttaccaEditor : public UI {
    using Box = attacca::Box;
    using Side = attacca::Side;

  public:
    AttaccaEditor() : UI(DISTRHO_UI_DEFAULT_WIDTH, DISTRHO_UI_DEFAULT_HEIGHT) {
        for (uint32_t i = 0; i < attacca::PARAMETERS; ++i) values_[i] = attacca::PARAMETER_FACTS[i].usual;
    }

  protected:
    void parameterChanged(uint32_t index, float value) override {
        if (index >= attacca::PARAMETERS) return;
        values_[index] = value;
        repaint();
    }

    void stateChanged(const char* key, const char* value) override {
        if (std::strcmp(key, "prompt_a") == 0) lines_[0] = attacca::TextLine(value);
        if (std::strcmp(key, "prompt_b") == 0) lines_[1] = attacca::TextLine(value);
        if (std::strcmp(key, "seed") == 0) take_ = std::strtoll(value, nullptr, 10);
        if (std::strcmp(key, "instance") == 0) instance_ = value;
        repaint();
    }

    // ---- what is drawn --------------------------------------------------------------------------------------------

    void onCairoDisplay(const CairoGraphicsContext& context) override {
        using namespace attacca;
        cairo_t* const on = context.handle;
        fill(on, {0, 0, double(getWidth()), double(getHeight())}, colours::GROUND, 0);
        write(on, {20, 14, 200, 24}, "Attacca", colours::TEXT, Side::left, 19, true);
        draw_readiness(on);
        draw_prompt(on, 0);
        draw_prompt(on, 1);
        for (const Slider& slider : SLIDERS) draw_slider(on, slider);
        draw_fallback(on);
        for (const Button& button : BUTTONS) draw_button(on, button);
        if (!note_.empty()) write(on, NOTE, note_, colours::WARM, Side::left, 11);
    }

  private:
    enum Action { LIVE_ON, HOLD_LESS, HOLD_MORE, TAKE_BACK, TAKE_NEW, GO_ON, ALARM, PAGE };
    struct Slider {
        uint32_t parameter;
        Box box;
    };
    struct Button {
        Action action;
        Box box;
        const char* text;
    };
    static constexpr Box PROMPTS[2] = {{92, 58, 528, 28}, {92, 94, 528, 28}};
    static constexpr Box FALLBACK{340, 256, 280, 24}, NOTE{20, 350, 600, 16};
    static constexpr Slider SLIDERS[] = {
        {attacca::BLEND, {92, 134, 528, 20}},       {attacca::INTENSITY, {20, 184, 280, 20}},
        {attacca::GUIDANCE, {340, 184, 280, 20}},   {attacca::OUTPUT_GAIN, {20, 222, 280, 20}},
        {attacca::LOOK_AHEAD, {340, 222, 280, 20}}, {attacca::DRY, {20, 260, 280, 20}},
    };
    static constexpr Button BUTTONS[] = {
        {LIVE_ON, {20, 304, 76, 32}, "Live"},     {HOLD_LESS, {112, 304, 28, 32}, "-"}, {HOLD_MORE, {210, 304, 28, 32}, "+"},
        {TAKE_BACK, {254, 304, 28, 32}, "<"},     {TAKE_NEW, {352, 304, 28, 32}, ">"},  {GO_ON, {396, 304, 84, 32}, "Continue"},
        {ALARM, {490, 304, 60, 32}, "Panic"},     {PAGE, {560, 304, 60, 32}, "Page"},
    };
    static constexpr const char* FALLBACK_SHORT[3] = {"Last bar", "Input", "Silence"};

    bool on(uint32_t parameter) const { return values_[parameter] > 0.5f; }

    void draw_readiness(cairo_t* on) {
        using namespace attacca;
        const int wanted = int(values_[LOOK_AHEAD]), ready = int(values_[BARS_READY]), misses = int(values_[MISSES]);
        for (int bar = 0; bar < 8; ++bar) {
            const Box box{320.0 + 18 * bar, 18, 15, 16};
            if (bar < ready) fill(on, box, bar < wanted ? colours::ACCENT : colours::EDGE, 3);
            else if (bar < wanted) outline(on, box, colours::ACCENT, 3);
            else outline(on, box, colours::EDGE, 3);
        }
        write(on, {470, 16, 150, 20}, std::to_string(ready) + (ready == 1 ? " bar ready" : " bars ready"), colours::TEXT,
              Side::right);
        if (misses > 0)
            write(on, {180, 16, 130, 20}, std::to_string(misses) + (misses == 1 ? " miss" : " misses"), colours::ALARM,
                  Side::right);
    }

    void draw_prompt(cairo_t* on, int which) {
        using namespace attacca;
        const Box box = PROMPTS[which];
        write(on, {20, box.y, 66, box.height}, which == 0 ? "Prompt A" : "Prompt B", colours::FAINT);
        fill(on, box, colours::PANEL);
        outline(on, box, typing_ == which ? colours::ACCENT : colours::EDGE);
        const Box inside{box.x + 8, box.y, box.width - 16, box.height};
        use_font(on, 12);
        const double caret = width_of(on, lines_[which].before()), shift = std::fmax(0, caret - inside.width + 2);
        const bool empty = lines_[which].text().empty() && typing_ != which;
        cairo_save(on);
        cairo_rectangle(on, inside.x, inside.y, inside.width, inside.height);
        cairo_clip(on);
        const std::string text = empty ? (which == 0 ? "what to play" : "what to blend into") : lines_[which].text();
        write(on, {inside.x - shift, inside.y, 4000, inside.height}, text, empty ? colours::FAINT : colours::TEXT);
        if (typing_ == which) fill(on, {inside.x + caret - shift, inside.y + 6, 1.5, inside.height - 12}, colours::ACCENT, 0);
        cairo_restore(on);
    }

    static std::string told(uint32_t parameter, float value) {
        using namespace attacca;
        char text[48];
        if (parameter == INTENSITY && value <= -60) return "free";
        if (parameter == OUTPUT_GAIN && value <= -60) return "off";
        const ParameterFacts& facts = PARAMETER_FACTS[parameter];
        std::snprintf(text, sizeof text, facts.kind == Kind::whole ? "%.0f %s" : facts.unit[0] ? "%.1f %s" : "%.2f%s",
                      double(value), facts.unit);
        return text;
    }

    void draw_slider(cairo_t* on, const Slider& slider) {
        using namespace attacca;
        const ParameterFacts& facts = PARAMETER_FACTS[slider.parameter];
        const float value = values_[slider.parameter];
        const Box track = track_of(slider);
        const double share = (value - facts.least) / (facts.most - facts.least);
        const double label = slider.parameter == BLEND ? 72 : 0;
        write(on, {slider.box.x - label, slider.box.y, 80, slider.box.height}, slider.parameter == BLEND ? "A to B" : facts.name,
              colours::FAINT);
        fill(on, track, colours::EDGE, 2);
        fill(on, {track.x, track.y, track.width * share, track.height}, colours::ACCENT, 2);
        fill(on, {track.x + track.width * share - 5, track.y - 5, 10, 14}, colours::GRIP, 3);
        write(on, {slider.box.x + slider.box.width - 58, slider.box.y, 58, slider.box.height}, told(slider.parameter, value),
              colours::TEXT, Side::right);
    }

    static Box track_of(const Slider& slider) {
        const double left = slider.parameter == attacca::BLEND ? 0 : 82;
        return {slider.box.x + left, slider.box.y + 8, slider.box.width - left - 66, 4};
    }

    void draw_fallback(cairo_t* on) {
        using namespace attacca;
        write(on, {FALLBACK.x, FALLBACK.y, 80, FALLBACK.height}, "On a miss", colours::FAINT);
        for (int choice = 0; choice < 3; ++choice) {
            const Box box = choice_box(choice);
            const bool chosen = int(values_[FALLBACK_PARAMETER]) == choice;
            fill(on, box, chosen ? colours::EDGE : colours::PANEL);
            write(on, box, FALLBACK_SHORT[choice], chosen ? colours::TEXT : colours::FAINT, Side::centre, 11);
        }
    }
    static constexpr uint32_t FALLBACK_PARAMETER = attacca::FALLBACK;
    static Box choice_box(int choice) { return {FALLBACK.x + 82 + 66.0 * choice, FALLBACK.y, 64, FALLBACK.height}; }

    void draw_button(cairo_t* canvas, const Button& button) {
        using namespace attacca;
        const bool lit = (button.action == LIVE_ON && on(LIVE)) || (button.action == HOLD_MORE && values_[HOLD] > 0);
        const Colour text = button.action == ALARM ? colours::ALARM : lit ? colours::GROUND : colours::TEXT;
        fill(canvas, button.box, lit ? colours::ACCENT : colours::PANEL, 5);
        outline(canvas, button.box, button.action == ALARM ? colours::ALARM : colours::EDGE, 5);
        write(canvas, button.box, button.text, text, Side::centre, 12);
        const Box between{button.box.x + 28, button.box.y, 70, button.box.height};
        if (button.action == HOLD_LESS)
            write(canvas, between, values_[HOLD] > 0 ? "hold " + std::to_string(int(values_[HOLD])) : "hold off",
                  values_[HOLD] > 0 ? colours::ACCENT : colours::FAINT, Side::centre, 12);
        if (button.action == TAKE_BACK) write(canvas, between, "take " + std::to_string(take_), colours::TEXT, Side::centre, 12);
    }

    // ---- mouse ----------------------------------------------------------------------------------------------------

    bool onMouse(const MouseEvent& event) override {
        if (event.button != 1) return false;
        const double x = event.pos.getX(), y = event.pos.getY();
        if (!event.press) return let_go();
        note_.clear();
        stop_typing(true);
        for (int which = 0; which < 2; ++which)
            if (PROMPTS[which].holds(x, y)) start_typing(which);
        for (const Slider& slider : SLIDERS) {
            const Box track = track_of(slider);
            if (Box{track.x - 6, slider.box.y, track.width + 12, slider.box.height}.holds(x, y)) grab(slider, x);
        }
        for (int choice = 0; choice < 3; ++choice)
            if (choice_box(choice).holds(x, y)) change(FALLBACK_PARAMETER, float(choice));
        for (const Button& button : BUTTONS)
            if (button.box.holds(x, y)) act(button.action);
        repaint();
        return true;
    }

    bool onMotion(const MotionEvent& event) override {
        if (grabbed_ == nullptr) return false;
        slide(event.pos.getX());
        return true;
    }

    bool onScroll(const ScrollEvent& event) override {
        for (const Slider& slider : SLIDERS) {
            if (!slider.box.holds(event.pos.getX(), event.pos.getY())) continue;
            const attacca::ParameterFacts& facts = attacca::PARAMETER_FACTS[slider.parameter];
            const double step = facts.kind == attacca::Kind::whole ? 1.0 : (facts.most - facts.least) / 60.0;
            change(slider.parameter, values_[slider.parameter] + float(step * event.delta.getY()));
            return true;
        }
        return false;
    }

    void grab(const Slider& slider, double x) {
        grabbed_ = &slider;
        editParameter(slider.parameter, true);
        slide(x);
    }

    void slide(double x) {
        const Box track = track_of(*grabbed_);
        const attacca::ParameterFacts& facts = attacca::PARAMETER_FACTS[grabbed_->parameter];
        const double share = std::fmin(1, std::fmax(0, (x - track.x) / track.width));
        put(grabbed_->parameter, float(facts.least + share * (facts.most - facts.least)));
    }

    bool let_go() {
        if (grabbed_ == nullptr) return false;
        editParameter(grabbed_->parameter, false);
        grabbed_ = nullptr;
        return true;
    }

    // ---- changes --------------------------------------------------------------------------------------------------

    void put(uint32_t parameter, float value) {
        const attacca::ParameterFacts& facts = attacca::PARAMETER_FACTS[parameter];
        value = std::fmin(facts.most, std::fmax(facts.least, value));
        if (facts.kind != attacca::Kind::number) value = std::round(value);
        values_[parameter] = value;
        setParameterValue(parameter, value);
        repaint();
    }

    void change(uint32_t parameter, float value) {
        editParameter(parameter, true);
        put(parameter, value);
        editParameter(parameter, false);
    }

    // A toggle that acts when it goes up: down first, so that each press is one.
    void pulse(uint32_t parameter) {
        change(parameter, 0);
        change(parameter, 1);
    }

    void act(Action action) {
        switch (action) {
            case LIVE_ON: change(attacca::LIVE, on(attacca::LIVE) ? 0.0f : 1.0f); break;
            case HOLD_LESS: change(attacca::HOLD, values_[attacca::HOLD] - 1); break;
            case HOLD_MORE: change(attacca::HOLD, values_[attacca::HOLD] + 1); break;
            case TAKE_BACK: choose_take(take_ - 1); break;
            case TAKE_NEW: choose_take(take_ + 1); break;
            case GO_ON: pulse(attacca::CONTINUE); break;
            case ALARM: pulse(attacca::PANIC); break;
            case PAGE: open_page(); break;
        }
    }

    // A take is a seed: another one, other bars; the same one again, the same bars.
    void choose_take(long long take) {
        take_ = std::max(0LL, take);
        setState("seed", std::to_string(take_).c_str());
    }

    void open_page() {
        const std::string address = attacca::page_address();
        if (address.empty()) note_ = "No page is served: start the engine with `attacca serve --web`";
        else attacca::open_address(address + (instance_.empty() ? "" : "#" + instance_));
    }

    // ---- typing ---------------------------------------------------------------------------------------------------

    void start_typing(int which) {
        getWindow().focus();  // hosts leave the keyboard where it was
        typing_ = which;
        before_ = lines_[which];
        lines_[which].end();
    }

    void stop_typing(bool keep) {
        if (typing_ < 0) return;
        attacca::TextLine& line = lines_[typing_];
        if (!keep) line = before_;
        if (line.text() != before_.text()) setState(typing_ == 0 ? "prompt_a" : "prompt_b", line.text().c_str());
        typing_ = -1;
        repaint();
    }

    bool onKeyboard(const KeyboardEvent& event) override {
        if (typing_ < 0) return false;
        attacca::TextLine& line = lines_[typing_];
        if (!event.press) return true;
        switch (event.key) {
            case kKeyBackspace: line.rub_out(); break;
            case kKeyDelete: line.erase(); break;
            case kKeyLeft: line.left(); break;
            case kKeyRight: line.right(); break;
            case kKeyHome: line.home(); break;
            case kKeyEnd: line.end(); break;
            case kKeyEscape: stop_typing(false); break;
            case '\r': stop_typing(true); break;
            case '\t': {
                const int other = 1 - typing_;
                stop_typing(true);
                start_typing(other);
                break;
            }
            case 'u':
                if ((event.mod & kModifierControl) != 0) line.clear();
                break;
            default: break;
        }
        repaint();
        return true;
    }

    bool onCharacterInput(const CharacterInputEvent& event) override {
        if (typing_ < 0) return false;
        if ((event.mod & (kModifierControl | kModifierAlt | kModifierSuper)) == 0) lines_[typing_].insert(event.string);
        repaint();
        return true;
    }

    float values_[attacca::PARAMETERS];
    attacca::TextLine lines_[2], before_;
    int typing_ = -1;
    long long take_ = 0;
    std::string instance_, note_;
    const Slider* grabbed_ = nullptr;
};

UI* createUI() { return new AttaccaEditor(); }

END_NAMESPACE_DISTRHO
