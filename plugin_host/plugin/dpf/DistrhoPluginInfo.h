// What DPF asks about the two plugins: "Attacca" (an effect, no MIDI input) and "Attacca Notes" (an instrument).
#ifndef ATTACCA_PLUGIN_INFO
#define ATTACCA_PLUGIN_INFO

#define DISTRHO_PLUGIN_BRAND "Attacca"
#if ATTACCA_NOTES
#define DISTRHO_PLUGIN_NAME "Attacca Notes"
#define DISTRHO_PLUGIN_URI "urn:attacca:notes"
#define DISTRHO_PLUGIN_CLAP_ID "attacca.notes"
#define DISTRHO_PLUGIN_NUM_INPUTS 0
#define DISTRHO_PLUGIN_IS_SYNTH 1
#define DISTRHO_PLUGIN_LV2_CATEGORY "lv2:InstrumentPlugin"
#define DISTRHO_PLUGIN_VST3_CATEGORIES "Instrument|Stereo"
#define DISTRHO_PLUGIN_CLAP_FEATURES "instrument", "stereo"
#else
#define DISTRHO_PLUGIN_NAME "Attacca"
#define DISTRHO_PLUGIN_URI "urn:attacca:attacca"
#define DISTRHO_PLUGIN_CLAP_ID "attacca.attacca"
#define DISTRHO_PLUGIN_NUM_INPUTS 2
#define DISTRHO_PLUGIN_IS_SYNTH 0
#define DISTRHO_PLUGIN_LV2_CATEGORY "lv2:GeneratorPlugin"
#define DISTRHO_PLUGIN_VST3_CATEGORIES "Fx|Generator|Stereo"
#define DISTRHO_PLUGIN_CLAP_FEATURES "audio-effect", "stereo"
#endif
#define DISTRHO_PLUGIN_WANT_MIDI_INPUT ATTACCA_NOTES
#define DISTRHO_PLUGIN_WANT_MIDI_OUTPUT 0
#define DISTRHO_PLUGIN_NUM_OUTPUTS 2
#define DISTRHO_PLUGIN_HAS_UI ATTACCA_EDITOR
#define DISTRHO_UI_USE_CAIRO 1
#define DISTRHO_UI_DEFAULT_WIDTH 640
#define DISTRHO_UI_DEFAULT_HEIGHT 376
#define DISTRHO_PLUGIN_IS_RT_SAFE 1
#define DISTRHO_PLUGIN_WANT_TIMEPOS 1
#define DISTRHO_PLUGIN_WANT_STATE 1
#define DISTRHO_PLUGIN_WANT_FULL_STATE 1

#endif
