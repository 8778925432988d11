// SPDX-License-Identifier: MIT
// The headers of runnel behind those of Qt, X11, curses and windows.h (with NOMINMAX), whose macros
// are words that anybody could use.

// Qt
#define emit
#define foreach(variable, container) for (variable : container)
#define forever for (;;)
#define signals public
#define slots

// X11
#define Above 0
#define Always 2
#define Below 1
#define Bool int
#define Complex 0
#define Convex 2
#define CurrentTime 0L
#define Expose 12
#define False 0
#define FocusIn 9
#define FocusOut 10
#define KeyPress 2
#define None 0L
#define Status int
#define Success 0
#define True 1
#define Unsorted 0

// curses, of which C++ keeps those that are no names of the standard library
#define addch(character) waddch(stdscr, character)
#define border(l, r, t, b, a, c, d, e) wborder(stdscr, l, r, t, b, a, c, d, e)
#define deleteln() winsdelln(stdscr, -1)
#define getch() wgetch(stdscr)
#define hline(character, count) whline(stdscr, character, count)
#define inch() winch(stdscr)
#define scroll(window) wscrl(window, 1)
#define timeout(delay) wtimeout(stdscr, delay)

// windows.h
#define CALLBACK
#define CONST const
#define CreateEvent CreateEventA
#define DELETE 0x10000L
#define ERROR 0
#define FALSE 0
#define FAR
#define GetMessage GetMessageA
#define GetObject GetObjectA
#define IN
#define NEAR
#define OPTIONAL
#define OUT
#define SendMessage SendMessageA
#define TRUE 1
#define VOID void
#define Yield()
#define far
#define interface struct
#define near
#define small char

#include <runnel/runnel.hpp>
