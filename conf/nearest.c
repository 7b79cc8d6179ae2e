/* SPDX-License-Identifier: BSD-2-Clause */
/* "Did you mean ...?": edit distance with transpositions. */
#include "conf/nearest.h"

#include <string.h>
#include <strings.h>

/* No option is longer, and the table of distances stays small. */
enum { WORD_MAX = 40 };

static size_t nearest_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters must be inserted, removed, replaced or swapped with their neighbour to
 * turn a into b; case does not count. Both at most WORD_MAX long. */
static size_t nearest_distance(const char *a, const char *b)
{
	size_t table[WORD_MAX + 1][WORD_MAX + 1];
	size_t n_a = strlen(a), n_b = strlen(b);

	for (size_t i = 0; i <= n_a; i++)
		table[i][0] = i;
	for (size_t j = 0; j <= n_b; j++)
		table[0][j] = j;
	for (size_t i = 1; i <= n_a; i++) {
		for (size_t j = 1; j <= n_b; j++) {
			size_t same = strncasecmp(&a[i - 1], &b[j - 1], 1) == 0 ? 0 : 1;
			size_t best = nearest_min(table[i - 1][j], table[i][j - 1]) + 1;

			best = nearest_min(best, table[i - 1][j - 1] + same);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				best = nearest_min(best, table[i - 2][j - 2] + 1);
			table[i][j] = best;
		}
	}
	return table[n_a][n_b];
}

void conf_nearest_init(struct conf_nearest *nearest, const char *word)
{
	/* a third of the letters may be wrong; more makes guesses that annoy */
	*nearest = (struct conf_nearest){
		.word = word,
		.distance = 1 + strlen(word) / 3,
	};
}

void conf_nearest_offer(struct conf_nearest *nearest, const char *candidate)
{
	size_t distance;

	if (!candidate || strlen(nearest->word) > WORD_MAX ||
	    strlen(candidate) > WORD_MAX)
		return;
	distance = nearest_distance(nearest->word, candidate);
	/* a word that has to be replaced as a whole is not near */
	if (distance >= strlen(candidate) || distance > nearest->distance ||
	    (nearest->best && distance == nearest->distance))
		return;
	nearest->best = candidate;
	nearest->distance = distance;
}
