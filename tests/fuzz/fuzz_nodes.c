/* Any bytes as what a node of a Redis Cluster says of where things are: what is taken is somewhere one can connect to. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "store/redis_cluster.h"

static void
check_where(const struct endpoint *at)
{
	if (at->kind == TG_ENDPOINT_NAME && at->port != 0 && at->host[0] != '\0' &&
	    memchr(at->host, '\0', sizeof(at->host)) != NULL)
		return;
	if (at->kind != TG_ENDPOINT_ADDR || addr_port(&at->addr) == 0)
		abort();
}

static void
check_map(struct cluster_map *map)
{
	if (map->n_nodes == 0 || map->n_nodes > TG_CLUSTER_NODES_MAX)
		abort();
	for (size_t i = 0; i < map->n_nodes; i++)
		check_where(&map->nodes[i]);
	for (unsigned slot = 0; slot < TG_CLUSTER_SLOTS; slot++) {
		if (map->owners[slot] != TG_CLUSTER_NOBODY && map->owners[slot] >= map->n_nodes)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	static struct cluster_map map;
	struct cluster_redirect redirect;
	struct endpoint asked;
	/* Copies of their own, so that a read past the end is seen. */
	char *text = malloc(len + 1);
	char *bare = malloc(len + (len == 0));

	if (endpoint_parse("10.0.0.1:6379", 0, &asked, NULL) == 0 && text != NULL && bare != NULL) {
		memcpy(text, input, len);
		memcpy(bare, input, len);
		text[len] = '\0';
		if (cluster_slot(text) >= TG_CLUSTER_SLOTS)
			abort();
		if (cluster_redirect_parse(text, &asked, &redirect) == 0) {
			check_where(&redirect.at);
			if (redirect.slot >= TG_CLUSTER_SLOTS)
				abort();
		}
		for (int by_names = 0; by_names < 2; by_names++) {
			if (cluster_map_read(bare, len, &asked, by_names != 0, &map) == 0)
				check_map(&map);
		}
	}
	free(text);
	free(bare);
	return 0;
}
