#!/usr/bin/env node
import { tracker } from "./cli/Commands.ts"
import { main } from "./cli/Main.ts"

main(tracker)
