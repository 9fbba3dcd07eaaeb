// One plugin in one format: DPF's adapter, with the host's own time in place of DPF's (host_time.hpp), and the plugin.
//
// Compiled once for each plugin (ATTACCA_NOTES) and format (DISTRHO_PLUGIN_TARGET_x). The macros below change three
// expressions of DPF's adapters: which flag lets it divide by a meter (none does), what time it hands to the plugin,
// and what a VST3 host is asked for. If DPF changes those lines, this does not compile.
#include "src/DistrhoPlugin.cpp"

#if defined(DISTRHO_PLUGIN_TARGET_VST3)
#include "travesty/audio_processor.h"
namespace attacca {
constexpr uint32_t SIGNATURE_VALID = V3_PROCESS_CTX_TIME_SIG_VALID;
}
#include "host_time.hpp"
#define V3_PROCESS_CTX_TIME_SIG_VALID (1u << 30)
#define V3_PROCESS_CTX_NEED_TIME_SIG \
    (V3_PROCESS_CTX_NEED_TIME_SIG | V3_PROCESS_CTX_NEED_BAR_POSITION | V3_PROCESS_CTX_NEED_CYCLE)
#define setTimePosition(position) setTimePosition(attacca::told(position, *ctx))
#include "src/DistrhoPluginVST3.cpp"

#elif defined(DISTRHO_PLUGIN_TARGET_CLAP)
#include "clap/events.h"
namespace attacca {
constexpr uint32_t SIGNATURE_VALID = CLAP_TRANSPORT_HAS_TIME_SIGNATURE;
}
#include "host_time.hpp"
#define CLAP_TRANSPORT_HAS_TIME_SIGNATURE (1u << 30)
#define setTimePosition(position) \
    setTimePosition(attacca::told(position, process->transport, fPlugin.getSampleRate()))
#include "src/DistrhoPluginCLAP.cpp"

#elif defined(DISTRHO_PLUGIN_TARGET_LV2)
#include "lv2/atom.h"
#include "host_time.hpp"
namespace attacca {
inline int64_t offset_of(const NoEvent&) { return 0; }
inline int64_t offset_of(const LV2_Atom_Event* event) { return event->time.frames; }
}
START_NAMESPACE_DISTRHO
static constexpr attacca::NoEvent obj, event;  // hidden by the event in DPF's loop over events
END_NAMESPACE_DISTRHO
#define setTimePosition(position) \
    setTimePosition(attacca::told(position, fLastPositionData, obj, attacca::offset_of(event)))
#include "src/DistrhoPluginLV2.cpp"
#undef setTimePosition
#include "src/DistrhoPluginLV2export.cpp"
#else
#error unsupported format
#endif

#undef setTimePosition
#define DISTRHO_IS_STANDALONE 0
#include "src/DistrhoUtils.cpp"

#include "attacca.hpp"
