// A VST3 for the host's tests: a gain that is 777 frames late, says so, and that any input above 50
// poisons until it is activated anew.
#include <array>
#include <cmath>

#include "DistrhoPlugin.hpp"

START_NAMESPACE_DISTRHO

class LateGain : public Plugin {
  static constexpr uint32_t kLateFrames = 777;
  std::array<std::array<float, kLateFrames>, 2> past{};
  uint32_t at = 0;
  float gain = 1.0f;
  bool poisoned = false;

 public:
  LateGain() : Plugin(1, 0, 0) { setLatency(kLateFrames); }

 protected:
  const char* getLabel() const override { return "LateGain"; }
  const char* getMaker() const override { return "Attacca tests"; }
  const char* getLicense() const override { return "Apache-2.0"; }
  uint32_t getVersion() const override { return d_version(1, 0, 0); }
  int64_t getUniqueId() const override { return d_cconst('L', 't', 'G', 'n'); }

  void initParameter(uint32_t, Parameter& parameter) override {
    parameter.name = parameter.symbol = "gain";
    parameter.hints = kParameterIsAutomatable;
    parameter.ranges.def = 1.0f;
    parameter.ranges.min = 0.0f;
    parameter.ranges.max = 2.0f;
  }
  float getParameterValue(uint32_t) const override { return gain; }
  void setParameterValue(uint32_t, float value) override { gain = value; }

  void activate() override {
    past = {};
    at = 0;
    poisoned = false;
  }

  void run(const float** in, float** out, uint32_t frames) override {
    for (uint32_t i = 0; i < frames; ++i, at = (at + 1) % kLateFrames) {
      for (uint32_t channel = 0; channel < 2; ++channel) {
        const float late = past[channel][at];
        const float now = past[channel][at] = in[channel][i];
        poisoned = poisoned || now > 50.0f;
        out[channel][i] = poisoned ? NAN : late * gain;
      }
    }
  }
};

Plugin* createPlugin() { return new LateGain(); }

END_NAMESPACE_DISTRHO
