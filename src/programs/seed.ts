#!/usr/bin/env node
import { seed } from "./cli/Commands.ts"
import { main } from "./cli/Main.ts"

main(seed)
