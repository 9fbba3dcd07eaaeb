// The plugin as DPF wants it: parameters, state and `run` around core.hpp.
//
// Threading: as core.hpp says. The host activates before it runs and never runs while it activates. The cache opens in
// `activate` (hosts build objects that never play) and stays open while the plugin lives at one rate, so that
// deactivating (a new block size, an offline render) loses no bars.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "../core.hpp"
#include "DistrhoPlugin.hpp"
#include "host_time.hpp"

START_NAMESPACE_DISTRHO

class AttaccaPlugin : public Plugin {
  public:
    AttaccaPlugin() : Plugin(attacca::PARAMETERS, 0, STATES), core_(DISTRHO_PLUGIN_NAME) {}

  protected:
    const char* getLabel() const override { return ATTACCA_NOTES ? "AttaccaNotes" : "Attacca"; }
    const char* getDescription() const override { return "Plays the next bars of your track, on the host's bars."; }
    const char* getMaker() const override { return "Attacca"; }
    const char* getLicense() const override { return "Apache-2.0"; }
    uint32_t getVersion() const override { return d_version(1, 0, 0); }
    int64_t getUniqueId() const override {
        return ATTACCA_NOTES ? d_cconst('A', 't', 'c', 'N') : d_cconst('A', 't', 'c', 'E');
    }

    void initParameter(uint32_t index, Parameter& parameter) override {
        const attacca::ParameterFacts& facts = attacca::PARAMETER_FACTS[index];
        parameter.name = facts.name;
        parameter.symbol = facts.symbol;
        parameter.unit = facts.unit;
        parameter.description = facts.about;
        parameter.ranges = ParameterRanges(facts.usual, facts.least, facts.most);
        switch (facts.kind) {
            case attacca::Kind::output: parameter.hints = kParameterIsOutput; break;
            case attacca::Kind::number: parameter.hints = kParameterIsAutomatable; break;
            case attacca::Kind::toggle:
                parameter.hints = kParameterIsAutomatable | kParameterIsBoolean | kParameterIsInteger;
                break;
            default: parameter.hints = kParameterIsAutomatable | kParameterIsInteger;
        }
        if (facts.kind != attacca::Kind::choice) return;
        parameter.enumValues.count = 3;
        parameter.enumValues.restrictedMode = true;
        parameter.enumValues.values = new ParameterEnumerationValue[3];
        for (int i = 0; i < 3; ++i)
            parameter.enumValues.values[i] = ParameterEnumerationValue(float(i), attacca::FALLBACK_NAMES[i]);
    }
    float getParameterValue(uint32_t index) const override { return core_.get(index); }
    void setParameterValue(uint32_t index, float value) override { core_.set(index, value); }

    void initState(uint32_t index, State& state) override {
        static const char* const labels[STATES] = {"Prompt A", "Prompt B", "Seed", "Instance"};
        state.key = KEYS[index];
        state.label = labels[index];
        state.defaultValue = index == SEED ? "0" : "";
        state.hints = index == INSTANCE ? kStateIsOnlyForDSP : kStateIsHostWritable;
    }
    String getState(const char* key) const override {
        const attacca::Prompts prompts = core_.prompts();
        if (std::strcmp(key, KEYS[PROMPT_A]) == 0) return String(prompts.a.c_str());
        if (std::strcmp(key, KEYS[PROMPT_B]) == 0) return String(prompts.b.c_str());
        if (std::strcmp(key, KEYS[SEED]) == 0) return String(std::to_string(prompts.seed).c_str());
        if (std::strcmp(key, KEYS[INSTANCE]) == 0) return String(core_.instance().c_str());
        return String();
    }
    void setState(const char* key, const char* value) override {
        attacca::Prompts prompts = core_.prompts();
        if (std::strcmp(key, KEYS[INSTANCE]) == 0) {
            say(core_.set_instance(value));
            return;
        }
        if (std::strcmp(key, KEYS[PROMPT_A]) == 0) prompts.a = value;
        if (std::strcmp(key, KEYS[PROMPT_B]) == 0) prompts.b = value;
        if (std::strcmp(key, KEYS[SEED]) == 0) prompts.seed = std::strtoll(value, nullptr, 10);
        core_.set_prompts(prompts);
    }

    void activate() override { say(core_.open(getSampleRate())); }

#if ATTACCA_NOTES
    void run(const float**, float** outputs, uint32_t frames, const MidiEvent* events, uint32_t count) override {
        play(nullptr, outputs, frames);
        for (uint32_t i = 0; i < count; ++i)
            if (events[i].size <= 3) core_.note(events[i].frame, events[i].data, events[i].size, monotonic_ns());
    }
#else
    void run(const float** inputs, float** outputs, uint32_t frames) override { play(inputs, outputs, frames); }
#endif

  private:
    enum { PROMPT_A, PROMPT_B, SEED, INSTANCE, STATES };
    static constexpr const char* KEYS[STATES] = {"prompt_a", "prompt_b", "seed", "instance"};

    void play(const float** inputs, float** outputs, uint32_t frames) {
        core_.process(attacca::unpacked(getTimePosition()), inputs, outputs, frames, monotonic_ns());
    }

    static int64_t monotonic_ns() {
        timespec now{};
        clock_gettime(CLOCK_MONOTONIC, &now);  // read from the vDSO, without a call
        return int64_t(now.tv_sec) * 1000000000 + now.tv_nsec;
    }

    static void say(const std::string& problem) {
        if (!problem.empty()) std::fprintf(stderr, "attacca: %s\n", problem.c_str());
    }

    attacca::Core core_;
};

Plugin* createPlugin() { return new AttaccaPlugin(); }

END_NAMESPACE_DISTRHO
