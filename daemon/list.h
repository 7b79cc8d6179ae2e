/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * An intrusive list, doubly linked, in a ring around its head.
 *
 * One struct list is the head; one embedded in every entry is its place in the list.
 * Whoever holds an entry can take it out without knowing which list it is in, which is
 * what a destructor needs. A list owns nothing: freeing a head whose list is not empty,
 * or an entry that is linked, is a mistake of the caller.
 *
 * A place that is zero (calloc) or has seen list_init() is unlinked and can be asked and
 * removed; a head must have seen list_init().
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/macros.h"

struct list {
	struct list *next;
	struct list *prev;
};

/* Makes an empty list of a head, an unlinked entry of a place. */
static inline void list_init(struct list *list)
{
	list->next = list;
	list->prev = list;
}

/* Is this entry in some list? */
static inline bool list_is_linked(const struct list *entry)
{
	return entry->next && entry->next != entry;
}

static inline bool list_is_empty(const struct list *head)
{
	assert(head->next);
	return head->next == head;
}

/* Behind `where`, which is a head (then the entry is the first) or a linked entry. The
 * new entry must be unlinked. */
static inline void list_insert_after(struct list *where, struct list *entry)
{
	assert(where->next && !list_is_linked(entry));
	entry->prev = where;
	entry->next = where->next;
	where->next->prev = entry;
	where->next = entry;
}

static inline void list_prepend(struct list *head, struct list *entry)
{
	list_insert_after(head, entry);
}

static inline void list_append(struct list *head, struct list *entry)
{
	assert(head->prev);
	list_insert_after(head->prev, entry);
}

/* Takes an entry out of whatever list it is in; nothing happens to an unlinked one. */
static inline void list_remove(struct list *entry)
{
	if (list_is_linked(entry)) {
		entry->prev->next = entry->next;
		entry->next->prev = entry->prev;
	}
	list_init(entry);
}

/* The first or last place of a list, NULL when it is empty. */
static inline struct list *list_first(const struct list *head)
{
	return list_is_empty(head) ? NULL : head->next;
}

static inline struct list *list_last(const struct list *head)
{
	return list_is_empty(head) ? NULL : head->prev;
}

/* The same, as the struct whose member the place is; NULL when the list is empty. */
#define LIST_FIRST(head, type, member) LIST_ENTRY_OR_NULL(list_first(head), type, member)
#define LIST_LAST(head, type, member) LIST_ENTRY_OR_NULL(list_last(head), type, member)
#define LIST_ENTRY_OR_NULL(place, type, member) \
	({ \
		struct list *list_place_ = (place); \
		list_place_ ? container_of(list_place_, type, member) : NULL; \
	})

/* Walks a list from first to last; `pos` is a variable of the entries' pointer type and
 * is NULL after a walk that was not left by break. The list must not change meanwhile. */
#define LIST_FOREACH(pos, head, member) \
	for (struct list *pos##_place = (head)->next; \
	     ((pos) = LIST_FOREACH_ENTRY(pos##_place, head, pos, member)) != NULL; \
	     pos##_place = pos##_place->next)

/* As LIST_FOREACH, and `pos` may be removed and freed on the way; no other entry may. */
#define LIST_FOREACH_SAFE(pos, head, member) \
	for (struct list *pos##_place = (head)->next, *pos##_next = pos##_place->next; \
	     ((pos) = LIST_FOREACH_ENTRY(pos##_place, head, pos, member)) != NULL; \
	     pos##_place = pos##_next, pos##_next = pos##_place->next)

#define LIST_FOREACH_ENTRY(place, head, pos, member) \
	((place) == (head) ? NULL : container_of(place, __typeof__(*(pos)), member))
