import { useState } from "react";
import type { Shortcut } from "../../../app/shortcuts";

/** What the pointer does on the map. */
export type Mode = "explore" | "lasso" | "box";

/** Where to go on the map: another object goes there, or zooms, again. */
export type Place = { center: number[] } | { zoom: number } | { everything: true };

/** How the map is looked at: what the pointer does on it, what part it shows, and as what. */
export function useMapLook() {
  const [mode, setMode] = useState<Mode>("lasso");
  const [density, setDensity] = useState(false);
  const [place, setPlace] = useState<Place | null>(null);
  const seeAll = () => setPlace({ everything: true });
  const toggleDensity = () => setDensity(!density);
  const keys: Shortcut[] = [
    { key: "l", does: "Lasso", run: () => setMode("lasso") },
    { key: "b", does: "Box", run: () => setMode("box") },
    { key: "v", does: "Move the map", run: () => setMode("explore") },
    { key: "+", does: "Zoom in", run: () => setPlace({ zoom: 1.5 }), repeats: true },
    { key: "-", does: "Zoom out", run: () => setPlace({ zoom: 1 / 1.5 }), repeats: true },
    { key: "f", does: "See the whole map", run: seeAll },
    { key: "d", does: "Density", run: toggleDensity },
  ];
  return { mode, setMode, density, toggleDensity, place, setPlace, seeAll, keys };
}

export type MapLook = ReturnType<typeof useMapLook>;
