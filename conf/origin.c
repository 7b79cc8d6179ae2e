/* SPDX-License-Identifier: BSD-2-Clause */
/* Where each option of an object was given. */
#include "conf/origin.h"

#include <assert.h>

#include "conf/conf.h"
#include "conf/schema.h"

static const struct conf_origin *origin_find(const struct conf_schema *schema,
					     const struct conf_origin *origins,
					     const char *name)
{
	size_t i = conf_schema_find(schema, name);

	assert(i < conf_schema_count(schema));
	return &origins[i];
}

const struct conf_origin *conf_origin_in_pool(const struct conf_pool *pool,
					      const char *name)
{
	return origin_find(&conf_schema_pool, pool->origins, name);
}

const struct conf_origin *conf_origin_in_top(const struct conf *conf, const char *name)
{
	return origin_find(&conf_schema_top, conf->origins, name);
}
