#include "observe/counters.h"

#define LISTENER_INFO(id, word, text) [TG_L_##id] = {.name = word, .help = text},
#define SERVICE_INFO(id, word, text)  [TG_S_##id] = {.name = word, .help = text},
#define BACKEND_INFO(id, word, text)  [TG_B_##id] = {.name = word, .help = text},
#define WORKER_INFO(id, word, text)   [TG_W_##id] = {.name = word, .help = text},

const struct counter_info listener_counters[TG_L_COUNT] = {TG_LISTENER_COUNTERS(LISTENER_INFO)};
const struct counter_info service_counters[TG_S_COUNT] = {TG_SERVICE_COUNTERS(SERVICE_INFO)};
const struct counter_info backend_counters[TG_B_COUNT] = {TG_BACKEND_COUNTERS(BACKEND_INFO)};
const struct counter_info worker_counters[TG_W_COUNT] = {TG_WORKER_COUNTERS(WORKER_INFO)};
