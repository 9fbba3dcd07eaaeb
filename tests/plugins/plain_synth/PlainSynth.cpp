// A VST3 instrument for the host's tests: while keys are held its output is level * the sum of their numbers / 1000,
// from the very frame of the note on to that of the note off, so that a test reads notes off the samples.
#include "DistrhoPlugin.hpp"

START_NAMESPACE_DISTRHO

class PlainSynth : public Plugin {
  float level = 1.0f;
  int held = 0;

 public:
  PlainSynth() : Plugin(1, 0, 0) {}

 protected:
  const char* getLabel() const override { return "PlainSynth"; }
  const char* getMaker() const override { return "Attacca tests"; }
  const char* getLicense() const override { return "Apache-2.0"; }
  uint32_t getVersion() const override { return d_version(1, 0, 0); }
  int64_t getUniqueId() const override { return d_cconst('P', 'l', 'S', 'y'); }

  void initParameter(uint32_t, Parameter& parameter) override {
    parameter.name = parameter.symbol = "level";
    parameter.hints = kParameterIsAutomatable;
    parameter.ranges.def = 1.0f;
    parameter.ranges.min = 0.0f;
    parameter.ranges.max = 2.0f;
  }
  float getParameterValue(uint32_t) const override { return level; }
  void setParameterValue(uint32_t, float value) override { level = value; }
  void activate() override { held = 0; }

  void run(const float**, float** out, uint32_t frames, const MidiEvent* events, uint32_t count) override {
    for (uint32_t i = 0, next = 0; i < frames; ++i) {
      for (; next < count && events[next].frame <= i; ++next) obey(events[next].data);
      out[0][i] = out[1][i] = level * static_cast<float>(held) / 1000.0f;
    }
  }

 private:
  void obey(const uint8_t* data) {
    const int kind = data[0] & 0xF0;
    if (kind == 0x90 && data[2] > 0)
      held += data[1];
    else if (kind == 0x80 || kind == 0x90)
      held -= data[1];
  }
};

Plugin* createPlugin() { return new PlainSynth(); }

END_NAMESPACE_DISTRHO
