// A line of text that is being typed: UTF-8, a caret between characters, no selection.
//
// Threading: the host's thread for windows. Pure; it draws nothing.
#pragma once
#include <cstddef>
#include <string>

namespace attacca {

class TextLine {
  public:
    static constexpr size_t MOST_BYTES = 400;  // room for a prompt in timeline_layout.hpp: 1023

    explicit TextLine(const std::string& text = "") : text_(text), caret_(text.size()) {}

    const std::string& text() const { return text_; }
    std::string before() const { return text_.substr(0, caret_); }

    void insert(const std::string& typed) {
        if (typed.empty() || static_cast<unsigned char>(typed[0]) < 0x20 || typed[0] == 0x7F) return;
        if (text_.size() + typed.size() > MOST_BYTES) return;
        text_.insert(caret_, typed);
        caret_ += typed.size();
    }
    void left() { caret_ = previous(); }
    void right() { caret_ = next(); }
    void home() { caret_ = 0; }
    void end() { caret_ = text_.size(); }
    void rub_out() {
        const size_t from = previous();
        text_.erase(from, caret_ - from);
        caret_ = from;
    }
    void erase() { text_.erase(caret_, next() - caret_); }
    void clear() {
        text_.clear();
        caret_ = 0;
    }

  private:
    bool continues(size_t at) const { return at < text_.size() && (static_cast<unsigned char>(text_[at]) & 0xC0) == 0x80; }
    size_t previous() const {
        size_t at = caret_;
        while (at > 0 && continues(--at)) {}
        return at;
    }
    size_t next() const {
        size_t at = caret_ < text_.size() ? caret_ + 1 : caret_;
        while (continues(at)) ++at;
        return at;
    }

    std::string text_;
    size_t caret_;
};

}  // namespace attacca
