// The probe: a plugin that tells what its host tells it. Built by tests/hosts/probe.py from Debian's dpf-source.
#pragma once
#define DISTRHO_PLUGIN_BRAND "Attacca tests"
#define DISTRHO_PLUGIN_NAME "Attacca Probe"
#define DISTRHO_PLUGIN_URI "urn:attacca:tests:probe"
#define DISTRHO_PLUGIN_CLAP_ID "tests.attacca.probe"
#define DISTRHO_PLUGIN_BRAND_ID AttT
#define DISTRHO_PLUGIN_UNIQUE_ID Prob
#define DISTRHO_PLUGIN_HAS_UI 0
#define DISTRHO_PLUGIN_IS_RT_SAFE 0
#define DISTRHO_PLUGIN_NUM_INPUTS 2
#define DISTRHO_PLUGIN_NUM_OUTPUTS 2
#define DISTRHO_PLUGIN_WANT_TIMEPOS 1
#define DISTRHO_PLUGIN_WANT_STATE 1
#define DISTRHO_PLUGIN_WANT_FULL_STATE 1
