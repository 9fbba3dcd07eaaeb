// The editor in one format: DPF's window and its adapter. Only VST3 and LV2 have one of their own; CLAP's is in format.cpp.
#include "src/DistrhoUI.cpp"

#if defined(DISTRHO_PLUGIN_TARGET_VST3)
#include "src/DistrhoUIVST3.cpp"
#elif defined(DISTRHO_PLUGIN_TARGET_LV2)
#include "src/DistrhoUILV2.cpp"
#elif !defined(DISTRHO_PLUGIN_TARGET_CLAP)
#error unsupported format
#endif

#include "../editor/editor.hpp"
