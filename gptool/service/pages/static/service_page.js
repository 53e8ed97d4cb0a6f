// The page of an image service.

import { showMap } from "./map.js";

showMap();
