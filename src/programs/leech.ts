#!/usr/bin/env node
import { leech } from "./cli/Commands.ts"
import { main } from "./cli/Main.ts"

main(leech)
